import json

import pytest

from batchwright.errors import InputError
from batchwright.sources.prompts import Prompts, fenced, json_lines


@pytest.fixture
def prompts(tmp_path):
    def make(own=None, shipped=None):
        for name, files in (("own", own or {}), ("shipped", shipped or {})):
            for place, text in files.items():
                path = tmp_path / name / place
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
        return Prompts([tmp_path / "own", tmp_path / "shipped"])

    return make


def test_a_prompt_of_ones_own_counts_and_the_shipped_one_fills_in(prompts):
    made = prompts({"a.md": "own"}, {"a.md": "shipped", "b.md": "shipped {% include 'a.md' %}"})
    assert made.render("a.md") == "own"
    assert made.render("b.md") == "shipped own"


def test_values_are_never_rendered_as_templates(prompts):
    made = prompts({"a.md": "{{ text }} {{ text | fenced }}"})
    assert made.render("a.md", text="{{ 1 + 1 }}{% include 'x' %}").count("{{ 1 + 1 }}{% include 'x' %}") == 2


def test_values_are_not_escaped_and_blocks_leave_no_blank_lines(prompts):
    made = prompts({"a.md": "\n{% for x in xs %}\n  {% if x %}\n{{ x }}\n  {% endif %}\n{% endfor %}\n\n"})
    assert made.render("a.md", xs=["<a & b>", "", "c"]) == "<a & b>\nc"


def test_a_missing_variable_is_named_with_file_and_line(prompts):
    with pytest.raises(InputError, match=r"own/a\.md, line 3: 'subjekt' is undefined"):
        prompts({"a.md": "one\ntwo\n{{ subjekt }}"}).render("a.md", subject="x")


def test_a_mistake_inside_an_include_is_named_with_its_own_file_and_line(prompts):
    made = prompts({"a.md": "{% include 'parts/b.md' %}", "parts/b.md": "one\n{{ missing }}"})
    with pytest.raises(InputError, match=r"parts/b\.md, line 2"):
        made.render("a.md")


def test_a_syntax_error_is_named_with_file_and_line(prompts):
    with pytest.raises(InputError, match=r"own/a\.md, line 2: "):
        prompts({"a.md": "one\n{% if %}"}).render("a.md")
    made = prompts({"a.md": "{% include 'b.md' %}", "b.md": "1\n2\n{% endfor %}"})
    with pytest.raises(InputError, match=r"own/b\.md, line 3: "):
        made.render("a.md")


def test_a_missing_prompt_says_where_it_was_looked_for(prompts):
    with pytest.raises(InputError, match=r"'a\.md' is not in .*own or .*shipped"):
        prompts().render("a.md")


def test_a_missing_include_says_who_wants_it(prompts):
    with pytest.raises(InputError, match=r"'b\.md' \(included by .*a\.md, line 2\) is not in"):
        prompts({"a.md": "one\n{% include 'b.md' %}"}).render("a.md")


@pytest.mark.parametrize("name", ["../secret.md", "parts/../../secret.md", "/etc/hostname"])
def test_includes_never_leave_the_prompts_folder(prompts, tmp_path, name):
    (tmp_path / "secret.md").write_text("secret")
    with pytest.raises(InputError):
        prompts({"a.md": f"{{% include '{name}' %}}", "parts/b.md": ""}).render("a.md")


def test_links_never_leave_the_prompts_folder(prompts, tmp_path):
    (tmp_path / "secret.md").write_text("secret")
    made = prompts({"a.md": "{% include 'link.md' %}"})
    (tmp_path / "own" / "link.md").symlink_to(tmp_path / "secret.md")
    with pytest.raises(InputError, match="leads out of the prompts folder"):
        made.render("a.md")


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ xs.append(1) }}",
        "{{ range(10 ** 9) | list }}",
        "{{ 1 / 0 }}",
        "{{ none.x }}",
        "{% include 'a.md' %}",
        "{{ xs | nosuchfilter }}",
        "{{ cycler.__init__.__globals__ }}",
    ],
)
def test_whatever_goes_wrong_in_a_template_is_an_input_error_naming_the_file(prompts, template):
    with pytest.raises(InputError, match=r"a\.md"):
        prompts({"a.md": template}).render("a.md", xs=[1])


def test_a_prompt_that_is_not_utf8_is_named(prompts, tmp_path):
    made = prompts({"a.md": ""})
    (tmp_path / "own" / "a.md").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=r"a\.md is not UTF-8 \(byte 3\)"):
        made.render("a.md")


def test_a_byte_order_mark_is_no_part_of_a_prompt(prompts, tmp_path):
    made = prompts({"a.md": ""})
    (tmp_path / "own" / "a.md").write_bytes(b"\xef\xbb\xbfhello")
    assert made.render("a.md") == "hello"


@pytest.mark.parametrize("text", ["plain", "```\nnot the end\n```", "`````", "a `` b"])
def test_no_text_can_close_its_own_fence(text):
    fence, *body, end = fenced(text, "text").split("\n")
    assert "\n".join(body) == text
    assert fence == end + "text"
    assert end not in text


def test_json_lines_is_the_same_data_in_the_plainest_fence():
    rows = [{"id": 1, "text": 'é ``` ~~~ \u2028 "q"'}, {"id": 2, "text": "`````"}]
    array = json_lines(rows)
    assert json.loads(array) == rows
    assert "```" not in array
    assert "é" in array
    assert fenced(array, "json").startswith("```json\n[")
    assert json_lines([]) == "[]"
