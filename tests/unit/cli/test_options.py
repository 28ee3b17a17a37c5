import click
import pytest
from click.testing import CliRunner

from batchwright.cli.options import Duration, GuideCommand, ManyValued


@click.command(cls=GuideCommand)
@click.option("--subjects", cls=ManyValued)
@click.option("--documents", cls=ManyValued)
@click.option("--batch-size", type=int)
@click.option("--force", is_flag=True)
@click.argument("words", nargs=-1)
def echo(subjects, documents, batch_size, force, words):
    click.echo(f"{subjects} {documents} {batch_size} {force} {words}")


def outcome(*args):
    return CliRunner().invoke(echo, list(args))


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((), "() () None False ()"),
        (("--subjects", "Geography", "Art and Design"), "('Geography', 'Art and Design') () None False ()"),
        (("--subjects", "A", "--batch-size", "-5"), "('A',) () -5 False ()"),
        (("--subjects", "A", "B", "--force", "--documents", "c", "d"), "('A', 'B') ('c', 'd') None True ()"),
        (("--subjects=A", "B", "--subjects", "C"), "('A', 'B', 'C') () None False ()"),
        (("--subjects", "A", "--", "word"), "('A',) () None False ('word',)"),
        (("word", "--subjects", "A"), "('A',) () None False ('word',)"),
    ],
)
def test_an_option_takes_every_word_up_to_the_next_option(args, expected):
    result = outcome(*args)
    assert result.output.strip() == expected


@pytest.mark.parametrize(
    "args",
    [("--subjects",), ("--subjects", "--force"), ("--subjects=",), ("--subjects", "--"), ("--force", "--documents")],
)
def test_an_option_without_a_value_is_an_error_that_names_it(args):
    result = outcome(*args)
    assert result.exit_code == 2
    assert "needs at least one value" in result.output


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("1.5", 1.5), ("90s", 90), ("10m", 600), ("2h", 7200)])
def test_durations_are_seconds_or_have_a_unit(text, seconds):
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5", "2 weeks", "h"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(click.BadParameter, match="no duration"):
        Duration().convert(text, None, None)
