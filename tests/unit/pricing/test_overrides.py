from decimal import Decimal

import pytest

from batchwright.errors import ConfigurationError
from batchwright.pricing.overrides import price_table, read_price_table
from batchwright.usage import Usage

MILLION = Usage(input_tokens=1_000_000)

ENTRY = '[{table}prices.openai."gpt-4.1"]\ninput = 0.1\noutput = 1_000\n'


@pytest.mark.parametrize(("name", "table"), [("batchwright.toml", ""), ("pyproject.toml", "tool.batchwright.")])
def test_prices_are_read_from_a_settings_file_as_they_are_written_there(tmp_path, name, table):
    path = tmp_path / name
    path.write_text("[other]\nname = 1\n" + ENTRY.format(table=table))
    found = read_price_table(path).find("openai", "gpt-4.1")
    assert found.live.cost(MILLION) == Decimal("0.1")
    assert found.live.source == str(path)


@pytest.mark.parametrize("text", [None, "", "[prices]\n", "[tool.other]\nx = 1\n", "tool = 3\n"])
@pytest.mark.parametrize("name", ["batchwright.toml", "pyproject.toml"])
def test_a_file_that_sets_no_prices_sets_none(tmp_path, name, text):
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    assert not read_price_table(path)


def test_a_file_that_is_no_toml_is_named(tmp_path):
    path = tmp_path / "batchwright.toml"
    path.write_text("[prices\n")
    with pytest.raises(ConfigurationError, match=r"batchwright\.toml"):
        read_price_table(path)


@pytest.mark.parametrize("amount", ["cheap", -1, True, float("nan"), float("inf"), None, [1]])
@pytest.mark.parametrize("kind", ["input", "batch"])
def test_what_is_no_amount_is_named_with_its_place(amount, kind):
    if kind == "batch" and amount is None:
        return  # the same as not set
    with pytest.raises(ConfigurationError, match=rf"here: prices\.openai\.'gpt-4\.1'\.{kind} is "):
        price_table({"openai": {"gpt-4.1": {kind: amount}}}, source="here")


@pytest.mark.parametrize("settings", [{"openai": 3}, {"openai": {"gpt-4.1": 3}}])
def test_what_is_no_table_is_named(settings):
    with pytest.raises(ConfigurationError, match=r"here: prices\.openai.* is 3; it is a table"):
        price_table(settings, source="here")


def test_a_misspelt_kind_is_refused_with_those_there_are():
    with pytest.raises(ConfigurationError, match="no price 'inptu'; known: input, output, cached, cache_write, batch"):
        price_table({"openai": {"gpt-4.1": {"inptu": 1}}}, source="here")
