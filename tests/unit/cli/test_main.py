import pytest

from batchwright.cli.main import main, with_command


@pytest.mark.parametrize(
    "words",
    [["--subjects", "Geography"], ["-v"], ["--documents=a.md", "--limit", "2"], ["--dry-run"], ["--emulator", "URL"]],
)
def test_options_without_a_command_are_those_of_run(words):
    assert with_command(words) == ["run", *words]


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["--version"], ["batch-list", "--json"], ["run", "--force"]])
def test_everything_else_stays(words):
    assert with_command(words) == words


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("batch-lst", "no command 'batch-lst'; did you mean batch-list"),
        ("frobnicate", "no command 'frobnicate'; see: batchwright --help"),
    ],
)
def test_a_mistyped_command_is_told_with_the_nearest_ones(word, said, capsys):
    assert main([word]) == 2
    assert said in capsys.readouterr().err
