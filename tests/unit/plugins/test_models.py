import re

import pytest

from batchwright.errors import ConfigurationError
from batchwright.plugins.llm.models import Models, Vendor, described, vendor_of


@pytest.mark.parametrize(("name", "model_id"), [("spoken", "spoken"), ("talk", "spoken"), ("4o-mini", "gpt-4o-mini")])
def test_a_model_is_found_by_its_id_and_by_an_alias(plugin, name, model_id):
    assert described(Models().find(name)).name == model_id


def test_an_alias_that_a_person_set_counts(plugin, folder):
    (folder / "aliases.json").write_text('{"mine": "spoken"}')
    found = described(Models().find("mine"))
    assert (found.name, found.aliases) == ("spoken", ("talk", "mine"))


def test_an_unknown_model_is_refused_with_the_nearest(plugin):
    with pytest.raises(ConfigurationError, match=r"Unknown model: spokn; is it spoken\? See: llm models"):
        Models().find("spokn")
    with pytest.raises(ConfigurationError, match=re.escape("Unknown model: qqqqqqqq; see: llm models")):
        Models().find("qqqqqqqq")


def test_the_tools_own_models_are_openais_unless_they_live_elsewhere(folder):
    (folder / "extra-openai-models.yaml").write_text(
        "- model_id: local\n  model_name: tiny\n  api_base: http://localhost:1\n"
        "- model_id: tuned\n  model_name: ft:gpt-4o-mini:me\n"
    )
    models = Models()
    vendors = {name: vendor_of(models.find(name).model) for name in ("gpt-4o", "local", "tuned")}
    assert vendors == {
        "gpt-4o": Vendor(name="openai", model="gpt-4o"),
        "local": Vendor(name="openai-compatible", model="tiny"),
        "tuned": Vendor(name="openai", model="ft:gpt-4o-mini:me"),
    }


class Claude:
    model_id, claude_model_id, base_url = "anthropic/claude-opus-5.5", "claude-opus-5-5", None


class Gemini:
    model_id, gemini_model_id = "gemini/gemini-3-pro", "gemini-3-pro"


class Mistral:
    model_id = "mistral/mistral-large"


Mistral.__module__ = "llm_mistral"


@pytest.mark.parametrize(
    ("kind", "vendor"),
    [
        (Claude, Vendor(name="anthropic", model="claude-opus-5-5")),
        (Gemini, Vendor(name="gemini", model="gemini-3-pro")),
        (Mistral, Vendor(name="mistral", model="mistral-large")),
    ],
)
def test_the_models_of_other_plugins_are_named_as_their_price_lists_do(kind, vendor):
    assert vendor_of(kind()) == vendor
