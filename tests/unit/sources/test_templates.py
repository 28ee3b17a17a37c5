import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchwright.errors import ConfigurationError, InputError
from batchwright.sources.datasets.base import Row
from batchwright.sources.templates import column_names_in, compile_template, plain_prompt, template_file


def row(**cells):
    return Row(cells, 7, "in.csv")


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        ("Write about {product_name}. Context: {description}", "Write about Laptop. Context: portable, 100% {cool}"),
        ("{ product_name }!", "Laptop!"),
        ("{product_name}{product_name}", "LaptopLaptop"),
        ("100% sure, %s %d %%", "100% sure, %s %d %%"),
        ('Answer as {{"a": "{product_name}"}}', 'Answer as {"a": "Laptop"}'),
        ("{{product_name}}", "{product_name}"),
        ("{{{product_name}}}", "{Laptop}"),
        ("a } alone", "a } alone"),
        ("{a column}", "spaced"),
        ("", ""),
    ],
)
def test_columns_are_filled_in_and_doubled_braces_are_braces(template, prompt):
    cells = {"product_name": "Laptop", "description": "portable, 100% {cool}", "a column": "spaced"}
    assert compile_template(template)(Row(cells, 1, "x")) == prompt


def test_values_that_are_no_text_are_written_as_json_has_them():
    cells = row(n=5, f=1.5, t=True, none=None, many=["a", 1], deep={"x": {"y": "z"}})
    assert compile_template("{n} {f} {t} [{none}] {many} {deep}")(cells) == '5 1.5 true [] ["a",1] {"x":{"y":"z"}}'
    assert compile_template("{none}")(cells) == ""
    assert compile_template("{deep.x.y}{n}")(cells) == "z5"


def test_empty_braces_are_the_row_as_it_is_asked_about_without_a_template():
    assert compile_template("Summarize: {}")(row(prompt="A long text", id=1)) == "Summarize: A long text"
    assert compile_template("{id}. {}")(row(id=1, text="x")) == "1. id: 1\ntext: x"


def test_an_unknown_name_is_the_guides_error_with_line_and_columns():
    with pytest.raises(InputError) as caught:
        compile_template("{text}")(row(a="1", b="2"))
    assert str(caught.value).startswith("Template variable not found: text (in.csv, line 7; its columns are: a, b;")


@pytest.mark.parametrize("name", ["deep.no", "deep.x.y.z", "no.x"])
def test_a_name_that_leads_nowhere_in_an_object_is_unknown(name):
    with pytest.raises(InputError, match=f"Template variable not found: {re.escape(name)}"):
        compile_template(f"{{{name}}}")(row(deep={"x": {"y": "z"}}))


@pytest.mark.parametrize("template", ["a { b", "{a", '{"a": {"b": 1}}'])
def test_a_brace_that_is_never_closed_is_refused(template):
    with pytest.raises(ConfigurationError, match="never closed"):
        compile_template(template)


def test_a_template_knows_its_columns():
    assert column_names_in("!fragment {x} {b} {a}{b} {{c}}") == ("b", "a")


def test_a_fragment_stands_as_it_is():
    fragments = {"voice": "Be {kind}, 100%."}
    prompt = compile_template("!fragment voice Summarize: {text}", fragment_of=fragments.__getitem__)
    assert prompt(row(text="x")) == "Be {kind}, 100%. Summarize: x"


def test_a_fragment_without_anybody_who_knows_it_is_refused():
    with pytest.raises(ConfigurationError, match="'voice'"):
        compile_template("!fragment voice {text}")


@given(st.text(), st.text())
def test_whatever_stands_in_a_cell_is_data(before, cell):
    template = before.replace("{", "{{").replace("}", "}}").replace("!fragment", "") + "{a}"
    assert compile_template(template)(row(a=cell)) == before.replace("!fragment", "") + cell


def test_without_a_template_the_row_is_the_prompt():
    assert plain_prompt(row(id="1", prompt="Why?")) == "Why?"
    assert plain_prompt(row(question="Why?")) == "Why?"
    assert plain_prompt(row(name="Laptop", price=5)) == "name: Laptop\nprice: 5"


def test_a_template_file_is_rendered_with_the_columns(tmp_path):
    (tmp_path / "part.txt").write_text("({{ name }})")
    path = tmp_path / "t.j2"
    path.write_text('{% include "part.txt" %} {{ self_ }} {{ row["a column"] }}{% if n > 3 %} many{% endif %}\n')
    cells = {"name": "{{ 1 }}", "self_": "s", "a column": "c", "n": 5, "self": "?"}
    assert template_file(path)(Row(cells, 1, "x")) == "({{ 1 }}) s c many"


def test_a_template_file_asks_for_what_is_there(tmp_path):
    path = tmp_path / "t.j2"
    path.write_text("{{ text }}")
    with pytest.raises(InputError, match=r"^Template variable not found: text \(in\.csv, line 7; its columns are: a;"):
        template_file(path)(row(a="1"))


def test_a_template_file_is_in_a_sandbox(tmp_path):
    path = tmp_path / "t.j2"
    path.write_text("{{ a.__class__.__mro__ }}")
    with pytest.raises(InputError, match=r"line 7: .*unsafe"):
        template_file(path)(row(a="1"))


def test_a_template_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"Template file not found: .*no\.j2"):
        template_file(tmp_path / "no.j2")
