import llm
import pytest

from batchwright.errors import ConfigurationError
from batchwright.plugins.llm.templates import Fragments, prompt_of, saved_template, system_of
from batchwright.sources.datasets.base import Row
from batchwright.sources.templates import compile_template

ROW = Row({"text": "Good {value}", "id": "7"}, 2, "in.csv")


def filled(template, **params):
    return compile_template(prompt_of(llm.Template(name="t", **template), params, None))(ROW)


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        ({"prompt": "Judge: $text"}, "Judge: Good {value}"),
        ({"prompt": "Judge: ${text}!"}, "Judge: Good {value}!"),
        ({"prompt": "As $$5 {json}: $text"}, "As $5 {json}: Good {value}"),
        ({"prompt": "Row: $input."}, "Row: text: Good {value}\nid: 7."),
        ({"prompt": "In one word:"}, "In one word:\ntext: Good {value}\nid: 7"),
        ({"prompt": "Be $tone: $text", "defaults": {"tone": "{calm}"}}, "Be {calm}: Good {value}"),
        ({"prompt": "Be $tone.", "defaults": {"tone": "calm"}}, "Be calm.\ntext: Good {value}\nid: 7"),
    ],
)
def test_dollar_names_are_columns_and_everything_else_is_text(template, prompt):
    assert filled(template) == prompt


def test_parameters_go_before_defaults_and_columns():
    assert filled({"prompt": "$id $text", "defaults": {"id": "x"}}, id="{y}") == "{y} Good {value}"


def test_a_template_stands_around_the_one_before_it():
    inner = prompt_of(llm.Template(name="a", prompt="Judge $text"), {}, None)
    outer = prompt_of(llm.Template(name="b", prompt="Carefully: $input Now."), {}, inner)
    assert compile_template(outer)(ROW) == "Carefully: Judge Good {value} Now."


def test_a_template_without_a_prompt_leaves_the_prompt_alone():
    assert prompt_of(llm.Template(name="t", system="Be kind"), {}, "{text}") == "{text}"
    assert prompt_of(llm.Template(name="t", system="Be kind"), {}, None) is None


def test_a_dollar_that_names_nothing_is_refused():
    with pytest.raises(ConfigurationError, match="names nothing"):
        filled({"prompt": "costs $ 5"})


def test_the_system_prompt_is_the_same_for_all_rows():
    template = llm.Template(name="t", system="Be $tone")
    assert system_of(template, {"tone": "kind"}) == "Be kind"
    with pytest.raises(ConfigurationError, match=r"template t is the same for all rows.*tone.*-p NAME VALUE"):
        system_of(template, {})


def test_an_unknown_template_is_named(folder):
    with pytest.raises(ConfigurationError, match="Invalid template: nope"):
        saved_template("nope")


def test_fragments_come_before_the_prompt_in_their_order(database, tmp_path):
    (tmp_path / "a voice.txt").write_text("Say {it} kindly.")
    (tmp_path / "facts.md").write_text("Paris is in France.")
    fragments = Fragments(database)
    template = fragments.before(["a voice.txt", "facts.md"], "About {text}")
    prompt = compile_template(template, fragment_of=lambda name: str(fragments.find(name)))(ROW)
    assert prompt == "Say {it} kindly.\nParis is in France.\nAbout Good {value}"


@pytest.mark.parametrize(("name", "why"), [("nope", "not found"), ("nope:x", "Unknown fragment prefix"), ("-", "file")])
def test_a_fragment_that_is_not_there_is_named(database, name, why):
    with pytest.raises(ConfigurationError, match=why):
        Fragments(database).find(name)
