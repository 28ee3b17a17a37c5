from dataclasses import replace

import pytest

from batchwright.errors import ChangedInputError, InputError, TrackingError
from batchwright.request import DocumentPart
from batchwright.sources.row_prompts import PromptSpec

SCHEMA = {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}


@pytest.fixture
def reviews(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text("id,text,paper\n1,Amazing!,a.pdf\n2,Not worth it.,\n", encoding="utf-8")
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7 x")
    return path


@pytest.fixture
def spec(reviews):
    return PromptSpec(inputs=(str(reviews),), template="Mood of {text}", system="Be brief.", schema=SCHEMA)


def test_a_spec_reads_back_from_a_runs_config(spec):
    full = replace(spec, where=("id=2",), limit=3, fragments={"voice": "Dear"})
    assert PromptSpec.from_config(full.config()) == full


def test_a_config_of_something_else_is_refused():
    with pytest.raises(TrackingError, match="does not say what was asked"):
        PromptSpec.from_config({"inputs": None})


def test_rows_become_requests_of_one_pattern(spec):
    with spec.open() as prompts:
        first = prompts.request(next(prompts.rows()), "job-1-a1-0")
        assert list(prompts.texts()) == ["Mood of Amazing!", "Mood of Not worth it."]
        assert first == prompts.pattern("Mood of Amazing!", "job-1-a1-0")
    assert first.system == "Be brief."
    assert first.output_schema.schema == SCHEMA


def test_attachments_follow_the_text(spec):
    with replace(spec, attachment_column="paper").open() as prompts:
        with_paper, without = [prompts.request(row, "x").messages[0].parts for row in prompts.rows()]
    assert [type(part) for part in with_paper[1:]] == [DocumentPart]
    assert len(without) == 1


def test_the_digest_is_of_the_input_and_of_what_makes_prompts(spec, reviews):
    with spec.open() as prompts:
        before = prompts.digest()
        assert prompts.digest() == before
        prompts.require(before)
    with replace(spec, template="Tone of {text}").open() as prompts:
        assert prompts.digest() != before
    reviews.write_text(reviews.read_text().replace("Amazing", "Awful"), encoding="utf-8")
    with spec.open() as prompts, pytest.raises(ChangedInputError, match=r"reviews\.csv changed since the run began"):
        prompts.require(before)


def test_a_moved_input_is_the_same_input(spec, reviews, tmp_path):
    with spec.open() as prompts:
        before = prompts.digest()
    moved = reviews.rename(tmp_path / "moved.csv")
    with replace(spec, inputs=(str(moved),)).open() as prompts:
        prompts.require(before)


def test_what_changed_is_said_in_words(spec, tmp_path):
    assert spec.changes(spec) == ()
    other = replace(spec, template="Tone of {text}", limit=1)
    assert spec.changes(other) == ("another template", "another --limit")
    path = tmp_path / "ask.j2"
    path.write_text("Mood of {{ text }}")
    by_file = PromptSpec(inputs=spec.inputs, template_file=str(path))
    path.write_text("Tone of {{ text }}")
    assert by_file.changes(PromptSpec(inputs=spec.inputs, template_file=str(path))) == (
        "the template file has changed",
    )


def test_a_template_file_makes_prompts(spec, tmp_path):
    path = tmp_path / "ask.j2"
    path.write_text("Mood of {{ text }}?")
    with PromptSpec(inputs=spec.inputs, template_file=str(path)).open() as prompts:
        assert next(prompts.texts()) == "Mood of Amazing!?"


def test_fragments_stand_for_the_text_they_had(spec):
    with replace(spec, template="!fragment voice {text}", fragments={"voice": "Dear reader:"}).open() as prompts:
        assert next(prompts.texts()) == "Dear reader: Amazing!"


def test_an_unknown_column_is_named_with_its_line(spec):
    with replace(spec, template="{review}").open() as prompts, pytest.raises(InputError, match=r"review.*"):
        next(prompts.texts())
