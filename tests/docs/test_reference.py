"""What the documentation names is there, and what is there is named."""

import re
from itertools import pairwise
from pathlib import Path

import click
import pytest
from llm.cli import cli as llm_tool

import batchwright
from batchwright import config, errors, service
from batchwright.cli.datasets.group import batch_group
from batchwright.cli.exits import ExitCode
from batchwright.cli.main import cli
from batchwright.cli.options import workspace_options
from batchwright.emulator import FAULTS, Limits, Operation, Responder, Scenario, Settings, Vendor
from batchwright.emulator.scenario import DEFAULT_LIMITS
from batchwright.emulator.world import COUNTERS
from batchwright.job import JobState, JobStatus
from batchwright.plugins.llm.backend import LlmBackend
from batchwright.providers.registry import provider_class
from batchwright.sources.issues import OPTIONAL, REQUIRED
from batchwright.tasks.categorise import Category

REFERENCE = "docs/reference.md"
PYTHON = "docs/python.md"
EMULATOR = "docs/emulator.md"
DOCUMENTS = "docs/documents.md"
LLM = "docs/llm.md"

COMMANDS = {name: cli.get_command(click.Context(cli), name) for name in cli.list_commands(click.Context(cli))}
SHARED = {name for param in click.command()(workspace_options(lambda: None)).params for name in param.opts}


def params_of(command: click.Command) -> list[click.Parameter]:
    """A command's own, and those of the commands in it."""
    if not isinstance(command, click.Group):
        return command.params
    names = [*command.list_commands(click.Context(command)), "run"]
    inner = [command.get_command(click.Context(command), name) for name in names]
    return command.params + [param for found in inner for param in found.params]


def options_of(command: click.Command) -> set[str]:
    found = {option for param in params_of(command) for option in (*param.opts, *param.secondary_opts)}
    return {option for option in found if option.startswith("-")}


OPTIONS = {name: options_of(command) for name, command in COMMANDS.items()}
LLM_BATCH = options_of(batch_group(LlmBackend()))
LLM_LOGS = {option for param in llm_tool.commands["logs"].commands["list"].params for option in param.opts}
EVERYWHERE = {"-h", "--help", "--version"}

_OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*(?![\w./])")
_CALLED = re.compile(r"\bbatchwright (?!\S*[A-Z./])(?P<command>[a-z]\S*)")
_CALL = re.compile(rf"(?<![\w-])(?P<command>{'|'.join(COMMANDS)})\b(?!:)(?P<rest>[^|;#]*)")
_ERROR_NAME = re.compile(r"`(\w+Error)`")
_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def sections(text: str) -> dict[str, str]:
    """The text below each heading, up to the next heading of any level."""
    found = list(_HEADING.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return {match[1]: text[match.end() : end] for match, end in zip(found, ends, strict=True)}


def anchor(heading: str) -> str:
    """What a code host makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def options_in(text: str) -> set[str]:
    return set(_OPTION.findall(text))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_section_with_exactly_its_own_options(name, pages):
    section = sections(pages[REFERENCE].text)[name]
    in_table = options_in("\n".join(line.split("|")[1] for line in section.split("\n") if line.startswith("| `-")))
    assert in_table == OPTIONS[name] - SHARED - EVERYWHERE


def test_the_shared_options_are_listed_once(pages):
    section = sections(pages[REFERENCE].text)["Shared options"]
    assert {
        option for line in section.split("\n") for option in options_in(line.split("|")[1:2][0] if "|" in line else "")
    } == SHARED


def test_what_works_in_a_workspace_and_nothing_else_has_the_shared_options():
    assert {name for name, options in OPTIONS.items() if options >= SHARED} == {
        name for name in COMMANDS if name not in {"batch", "init", "emulator", "demo"}
    }


def commands_in(page) -> list[str]:
    """The pieces of a page that are typed into a shell: spans of code, and the lines of blocks but for output."""
    lines = [
        line.removeprefix("$ ")
        for block in page.blocks
        if block.language in {"bash", "console", "yaml"}
        for line in block.body.split("\n")
        if block.language != "console" or line.startswith("$ ")
    ]
    return lines + re.findall(r"`([^`\n]+)`", page.prose)


def test_a_command_that_a_page_shows_has_the_options_it_is_shown_with(page_name, pages):
    for typed in commands_in(pages[page_name]):
        for match in _CALLED.finditer(typed):
            assert match["command"] in COMMANDS, f"{page_name}: {typed}"
        for match in _CALL.finditer(typed):
            own = LLM_BATCH if typed.lstrip().startswith("llm ") else OPTIONS[match["command"]]
            known = own | EVERYWHERE
            assert options_in(match["rest"]) <= known, f"{page_name}: {typed}"


def test_an_option_that_a_page_names_is_there(page_name, pages):
    known = set().union(*OPTIONS.values()) | EVERYWHERE | (LLM_BATCH | LLM_LOGS if page_name == LLM else set())
    named = set(re.findall(r"`(--[a-z-]+)[^`]*`", pages[page_name].prose))
    assert named <= known


def test_every_relative_link_leads_somewhere(page_name, pages, root):
    for match in _LINK.finditer(pages[page_name].prose):
        path, _, fragment = match["target"].partition("#")
        if "://" in path:
            continue
        target = (root / page_name).parent / path if path else root / page_name
        assert target.exists(), f"{page_name}: {match[0]}"
        if fragment:
            headings = _HEADING.findall(target.read_text(encoding="utf-8"))
            assert fragment in {anchor(heading) for heading in headings}, f"{page_name}: {match[0]}"


def test_every_page_is_reached_from_the_readme(pages):
    reached = {match["target"].partition("#")[0] for match in _LINK.finditer(pages["README.md"].prose)}
    assert set(pages) - {"README.md"} <= reached


def test_the_error_tree_is_the_modules_own(pages):
    tree = errors.__doc__.partition("\n\n")[2].rpartition("\n\n")[0]
    assert tree in sections(pages[REFERENCE].text)["Errors"]
    defined = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert defined == set(re.findall(r"\w+Error\b", tree)) - {"ValueError"}


def test_every_error_that_a_page_names_exists(page_name, pages):
    for name in _ERROR_NAME.findall(pages[page_name].prose):
        homes = (errors, service, __builtins__)
        assert any(name in (home if isinstance(home, dict) else vars(home)) for home in homes), name


def test_every_public_error_is_explained(pages):
    public = {name for name in batchwright.__all__ if name.endswith("Error")}
    assert public <= set(_ERROR_NAME.findall(sections(pages[PYTHON].text)["Errors"]))


def test_every_public_name_is_on_the_python_page(pages):
    words = set(re.findall(r"\w+", pages[PYTHON].text + pages["docs/adding-a-provider.md"].text))
    assert set(batchwright.__all__) - {"__version__"} <= words


def test_the_variables_are_those_that_are_read(pages):
    source = Path(config.__file__).read_text(encoding="utf-8")
    read = {name for name in re.findall(r'"([A-Z][A-Z_]+)"', source) if "_" in name}
    section = sections(pages[REFERENCE].text)["Environment variables"]
    named = {
        name for line in section.split("\n") if line.startswith("| `") for name in _VARIABLE.findall(line.split("|")[1])
    }
    limits = {limit.upper() for limit in config.SETTABLE_LIMITS}
    assert {name for name in named if name != "BATCHWRIGHT_PROVIDER_LIMIT"} == read
    assert limits <= set(re.findall(r"`([A-Z_]+)`", section))


def test_exit_codes_are_explained_with_their_numbers(pages):
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", sections(pages[REFERENCE].text)["Exit codes"], re.MULTILINE)
    assert {name: int(code) for code, name in rows} == {code.name: code.value for code in ExitCode}


def test_states_and_statuses_are_explained(pages):
    section = sections(pages[REFERENCE].text)["States and statuses"]
    statuses, _, states = section.partition("A **state**")
    assert re.findall(r"^\| `(\w+)` \|", statuses, re.MULTILINE) == [str(status) for status in JobStatus]
    assert re.findall(r"^\| `(\w+)` \|", states, re.MULTILINE) == [str(state) for state in JobState]


def test_columns_and_categories_are_listed(pages):
    for name in (*REQUIRED, *OPTIONAL):
        assert f"`{name}`" in sections(pages[REFERENCE].text)["The issue report and the reports"]
        assert f"`{name}`" in sections(pages[DOCUMENTS].text)["The issue report"]
    for category in Category:
        assert f"`{category}`" in sections(pages[DOCUMENTS].text)["Reports"]


def test_every_setting_of_a_scenario_is_listed_with_its_default(pages):
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", sections(pages[EMULATOR].text)["Scenarios"], re.MULTILINE))
    settings = Scenario().openai
    defaults = {name: getattr(settings, name) for name in Settings.__dataclass_fields__}
    assert set(rows) >= set(defaults) | {"faults", "log_bodies"}
    for name, default in defaults.items():
        shown = rows[name].partition(" (")[0].strip("`")
        expected = "none" if default in (None, ()) else str(default).lower()
        assert shown == ("the vendor's" if name == "limits" else expected), name


def test_every_limit_of_a_scenario_is_listed_with_its_defaults(pages):
    text = pages[EMULATOR].text
    for name in Limits.__dataclass_fields__:
        (row,) = re.findall(rf"^\| `{name}` \| (\d+) \| (\d+) \| (\d+) \|", text, re.MULTILINE)
        assert [int(cell) for cell in row] == [getattr(DEFAULT_LIMITS[vendor], name) for vendor in Vendor], name


def test_responders_counters_and_endpoints_are_listed(pages):
    text = pages[EMULATOR].text
    for name in (*Responder, *COUNTERS):
        assert f"`{name}`" in text, name
    for path in ("clock", "faults", "scenario", "stats", "log", "state"):
        assert f"/_emulator/{path}`" in text, path


def test_every_fault_is_listed_with_its_vendors_and_parameters(pages):
    section = sections(pages[EMULATOR].text)["Faults"]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", section, re.MULTILINE)
    assert [name for name, *_ in rows] == list(FAULTS)
    for name, says, vendors, parameters in rows:
        kind = FAULTS[name]
        assert says == kind.says.rstrip("."), name
        assert vendors == ("all" if len(kind.vendors) == len(Vendor) else ", ".join(kind.vendors)), name
        assert re.findall(r"`(\w+)`", parameters) == list(kind.parameters), name
    assert all(f"`{operation}`" in section for operation in Operation)


@pytest.mark.parametrize("name", config.PROVIDER_NAMES)
def test_the_table_of_what_is_supported_says_what_the_providers_say(name, pages):
    section = sections(pages["README.md"].text)["What is supported"]
    header, *rows = [line.split("|")[1:-1] for line in section.split("\n") if line.startswith("| ")]
    column = [cell.strip().lower() for cell in header].index(name)
    cell = {row[0].strip(): re.sub(r" ?\[\^\d\]", "", row[column].strip()) for row in rows}
    provider = provider_class(name)
    assert cell["`--provider`"].startswith(f"`{name}`")
    assert cell["default model"] == f"`{provider.MODEL}`"
    assert cell["key"] == " or ".join(f"`{variable}`" for variable in config.KEY_VARIABLES[name])
    assert cell["most requests in a job"] == f"{provider.limits.max_requests:,}"
    number, unit = cell["most bytes in a job"].split()
    assert int(number) * {"MB": 10**6, "GB": 10**9}[unit] == provider.limits.max_bytes
    unfinished = provider.limits.max_concurrent_jobs
    assert cell["unfinished jobs at once"] == ("no number given" if unfinished is None else str(unfinished))


def test_the_changelog_begins_with_this_version(pages):
    assert next(iter(sections(pages["CHANGELOG.md"].text).items())) is not None
    assert re.search(rf"^## {re.escape(batchwright.__version__)}( |$)", pages["CHANGELOG.md"].text, re.MULTILINE)


def test_headings_follow_one_another_without_a_gap(page_name, pages):
    levels = [len(level) for level in re.findall(r"^(#+) ", pages[page_name].prose, re.MULTILINE)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_no_page_names_a_machine_or_a_registry(page_name, pages):
    assert not re.search(r"/(?:home|root|Users|work|tmp)/|\bpypi\b|npmjs|index-url", pages[page_name].text)
