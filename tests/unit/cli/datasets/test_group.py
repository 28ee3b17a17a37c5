import click
import pytest
from click.testing import CliRunner

from batchwright.cli.datasets.base import Backend
from batchwright.cli.datasets.group import batch_group, command_over
from batchwright.cli.datasets.own import OurBackend
from batchwright.errors import InputError, LLMProviderConfigurationError


class Nobody(Backend):
    """A backend that says what it was opened with."""

    program = "tool batch"
    place_options = (click.option("-v", "--verbose", is_flag=True),)
    run_options = (click.option("--flavour", "flavour"),)

    def open(self, options):
        return options


def called(function, *words, more=Nobody.run_options):
    """Call a command over `function` as another program's command line does."""
    names = click.argument("names", nargs=-1)
    command = click.command("run")(command_over(Nobody(), function, names, more=more))
    return CliRunner().invoke(command, list(words))


def test_a_backend_is_opened_with_its_own_options_and_nothing_else():
    seen = []

    def run(session, names):
        seen.append((session, names))

    assert called(run, "a", "--flavour", "salt", "-v").exit_code == 0
    assert seen == [({"flavour": "salt", "verbose": True}, ("a",))]


def test_only_a_run_has_the_options_of_runs():
    def status(session, names):
        click.echo(session)

    assert called(status, "a", more=()).output == "{'verbose': False}\n"
    assert called(status, "--flavour", "salt", more=()).exit_code == 2


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (InputError("the file is odd"), 2, "Error: the file is odd"),
        (LLMProviderConfigurationError("no key"), 4, "Error: no key"),
        (KeyboardInterrupt(), 130, "Interrupted."),
        (RuntimeError("unforeseen"), 1, "Error: unforeseen"),
    ],
)
def test_errors_become_exit_codes_in_a_program_that_knows_none(raised, code, said):
    def run(session, names):
        raise raised

    done = called(run)
    assert done.exit_code == code
    assert said in done.output
    assert "Traceback" not in done.output


def test_a_traceback_is_shown_to_who_asks_for_it():
    def run(session, names):
        raise RuntimeError("unforeseen")

    assert "Traceback" in called(run, "-v").output


def test_what_a_command_returns_is_the_exit_code():
    assert called(lambda session, names: 3).exit_code == 3


def invoke(*words):
    return CliRunner().invoke(batch_group(OurBackend()), list(words))


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_help_shows_the_options_of_a_run_and_the_commands(words):
    shown = invoke(*words).output
    assert "INPUT... [OPTIONS] | list | status ID | cancel ID" in shown
    for option in ("--template", "--stop-on-error", "--via [live|batch]", "--format [csv|json|jsonl|parquet]"):
        assert option in shown
    assert "list " in shown


@pytest.mark.parametrize("words", [("nope.txt",), ("--limit", "3", "nope.txt"), ("nope.txt", "--limit", "3"), ("run",)])
def test_a_first_word_that_is_no_command_is_a_file(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = invoke(*words)
    assert done.exit_code == 2
    assert f"Input file not found: {'run' if words == ('run',) else 'nope.txt'}" in done.output


def test_usage_is_shown_as_it_is_typed():
    assert "Usage: batch [OPTIONS] INPUT..." in invoke("x", "--nonsense").output


def test_runs_can_be_looked_for_before_there_are_any(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "There are no runs." in invoke("list").output
    assert list(tmp_path.iterdir()) == []
    assert "no run 'x'" in invoke("status", "x").output
