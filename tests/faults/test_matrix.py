"""Every fault at every provider it can happen to: what comes of the job, and that it can always be brought home.

The tables below are what docs/reliability.md shows. Each cell runs the main job (create, watch) while the fault lasts,
then does what the messages say, with the fault gone, until every issue has its row.
"""

import os
from enum import StrEnum
from pathlib import Path

import pytest

from batchwright.cli.exits import ExitCode
from batchwright.emulator.faults import FAULTS, Operation, Scope
from batchwright.emulator.faults.registry import OPERATIONS
from batchwright.emulator.vendor import Vendor
from batchwright.job import JobState, JobStatus, status_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- made by tests/faults: begin -->\n", "<!-- made by tests/faults: end -->\n"
PROVIDERS = {"openai": "OpenAI", "anthropic": "Anthropic", "gemini": "Gemini"}


class Outcome(StrEnum):
    """What a person sees while the fault lasts."""

    RECOVERED = "recovered"
    MENDED = "mended"
    PENDING = "pending"
    WAITS = "waits"
    PLANNED = "planned"
    UNRESOLVED = "unresolved"
    LEFT = "left to you"
    OPEN = "open"
    ENDED_EARLY = "ended early"
    LOST = "lost"
    REFUSED = "refused"
    STOPPED = "stopped"
    BY_HAND = "by hand"
    GOES_ON = "goes on"

    @property
    def says(self):
        return _SAYS[self][0]

    @property
    def exit_codes(self):
        """Of the first command and of `batch-watch`."""
        return _SAYS[self][1]


_SAYS = {
    Outcome.RECOVERED: ("every answer is in the reports, paid for once, and nobody had to do anything", ({0, 3}, 0)),
    Outcome.MENDED: ("as recovered, and a warning asks to check the rows whose JSON was repaired", ({0}, 0)),
    Outcome.PENDING: ("the job stays `pending`, `last_error` says why, and the next fetch collects it", ({0}, 124)),
    Outcome.WAITS: ("the job stays `pending` until the provider ends it, within a day or two", ({0}, 124)),
    Outcome.PLANNED: (
        "nothing was sent that costs money; the job stays `planned` and `batch-fetch` or `batch-watch` sends it",
        ({0, 3}, 124),
    ),
    Outcome.UNRESOLVED: (
        "the create got no answer: the job is looked for, and sent again only when it cannot run any more",
        ({3}, 124),
    ),
    Outcome.LEFT: (
        "the same, and the provider may run it at any time: it is looked for, and only you can say that there is none",
        ({3}, 3),
    ),
    Outcome.OPEN: (
        "what has no usable answer is named and stays open; `batch-create` or `batch-retry` asks only that again",
        ({0}, 3),
    ),
    Outcome.ENDED_EARLY: (
        "the answers that were given are in the reports (Gemini keeps none); `batch-create` asks the rest again",
        ({0}, 5),
    ),
    Outcome.LOST: (
        "the provider said twice that it has no such job, or no results for it; `batch-create` asks its issues again",
        ({0}, 5),
    ),
    Outcome.REFUSED: ("the provider created nothing, and says why; `batch-create` asks again", ({3}, 0)),
    Outcome.STOPPED: ("exit code 7, and nothing more is tried; when that is mended, `batch-create` sends it", ({7}, 0)),
    Outcome.BY_HAND: ("the job stays planned, and its message says which commands to give", ({0}, 3)),
    Outcome.GOES_ON: ("the job was not cancelled, and goes on; `batch-cancel` says so with exit code 3", ({0}, 124)),
}
O = Outcome  # noqa: E741  (the tables are read as tables)

_READS = {"get": O.PENDING, "list": O.UNRESOLVED, "download": O.PENDING, "cancel": O.GOES_ON}
_CUT = {"upload": O.PLANNED, "create": O.RECOVERED, **_READS, "cancel": O.ENDED_EARLY}
_TOLD = {"upload": O.PLANNED, "create": O.PLANNED, **_READS}
_UNKNOWN = {"openai": O.UNRESOLVED, "anthropic": O.LEFT, "gemini": O.UNRESOLVED}
_IN_THE_DARK = {"upload": O.PLANNED, "create": _UNKNOWN, **_READS}

LOST_CREATE = {"name": "drop_after", "on": "create", "times": 1}
"""The provider's list is asked for only when the answer to a create was lost."""

CALLS = {
    "drop_before": _IN_THE_DARK,
    "drop_after": {"upload": O.PLANNED, "create": O.RECOVERED, "cancel": O.ENDED_EARLY},
    "drop_during": _CUT,
    "body_cut": _CUT,
    "hang": _IN_THE_DARK,
    "hang,committed=true": {"create": O.RECOVERED},
    "rate_limit": _TOLD,
    "rate_limit_seconds": _TOLD,
    "rate_limit_seconds,seconds=130": _TOLD,
    "rate_limit_date": _TOLD,
    "rate_limit_ms": _TOLD,
    "rate_limit_info": _TOLD,
    "server_error": _IN_THE_DARK,
    "server_error,committed=true": {"create": O.RECOVERED},
    "unavailable": _TOLD,
    "overloaded": _TOLD,
    "gateway_error": _IN_THE_DARK,
    "gateway_error,status=503": {"create": _UNKNOWN},
    "gateway_error,status=504": {"create": _UNKNOWN},
    "gateway_error,committed=true": {"create": O.RECOVERED},
    "too_large": {"upload": O.REFUSED, "create": O.REFUSED},
    "credit_exhausted": {"create": O.STOPPED},
    "not_found": {"get": O.LOST, "download": O.LOST, "cancel": O.GOES_ON},
}
"""By the call that is struck, each time; one outcome, or one by provider."""

JOBS = {
    "late_create": O.RECOVERED,
    "late_create,answer=error": O.RECOVERED,
    "list_lag": O.RECOVERED,
    "stuck": O.WAITS,
    "expired": O.ENDED_EARLY,
    "cancelled": O.ENDED_EARLY,
    "all_failed": O.OPEN,
    "token_limit_exceeded": O.BY_HAND,
    "status_jump": O.RECOVERED,
    "unknown_status": O.RECOVERED,
    "unknown_status,forever=true": O.RECOVERED,
    "counts_lie": O.OPEN,
    "counts_lie,says=all_succeeded": O.OPEN,
    "error_file_id": O.OPEN,
    "error_file_id,says=null": O.OPEN,
    "no_output_file": {"openai": O.OPEN, "anthropic": O.LOST, "gemini": O.OPEN},
    "results_late": O.RECOVERED,
    "results_gone": {"openai": O.LOST, "anthropic": O.LOST, "gemini": O.OPEN},
    "blank_line": O.RECOVERED,
    "no_final_newline": O.RECOVERED,
    "invalid_json_line": O.OPEN,
    "shuffled": O.RECOVERED,
    "missing_line": O.OPEN,
    "duplicate_line": O.RECOVERED,
    "unknown_line": O.RECOVERED,
    "credit_lines": O.OPEN,
    "unknown_result_type": O.OPEN,
    "zero_status_line": O.OPEN,
    "line_separator": O.RECOVERED,
    "cut_answer": O.OPEN,
    "prose_answer": O.RECOVERED,
    "prose_answer,only=true": O.OPEN,
    "fenced_answer": O.RECOVERED,
    "trailing_commas": O.MENDED,
    "wrong_shape": O.OPEN,
    "wrong_shape,shape=fields": O.OPEN,
    "empty_answer": O.OPEN,
}
"""Of faults that a job keeps; one outcome, or one by provider."""

ONCE = {"credit_exhausted,on=create": O.STOPPED} | {
    f"{flag},on=create": _UNKNOWN for flag, outcomes in CALLS.items() if outcomes.get("create") is _UNKNOWN
}
"""What comes of a call that fails once, where that is not `recovered`; a cancel is not tried again."""


WITH_A_FAILURE = ("counts_lie", "error_file_id")
"""What would show nothing in a job where all goes well: there, one of its requests fails."""

HOUR = 60
PATIENCE = {
    "hang,on=get": (0, 1),
    "hang,on=list": (0, 1),
    "hang,on=download": (0, 1),
    "token_limit_exceeded": (10, 1),
    "no_output_file": (4 * HOUR, HOUR),
    "results_gone": (4 * HOUR, HOUR),
    "not_found,on=download": (4 * HOUR, HOUR),
}
"""How long one waits until it is over, and from look to look, in minutes; else two looks say all there is to say."""


def form_of(flag):
    """A fault's JSON form from `NAME[,key=value...]`."""
    name, *pairs = flag.split(",")
    return {"name": name} | dict(pair.split("=") for pair in pairs)


def providers_of(flag):
    """To whom it can happen, and who has the call."""
    form = form_of(flag)
    return [
        str(vendor) for vendor in FAULTS[form["name"]].vendors if "on" not in form or form["on"] in OPERATIONS[vendor]
    ]


def by_provider(outcome):
    return outcome if isinstance(outcome, dict) else dict.fromkeys(PROVIDERS, outcome)


CALL_CELLS = [
    (f"{flag},on={call}", provider, by_provider(outcome)[provider])
    for flag, outcomes in CALLS.items()
    for call, outcome in outcomes.items()
    for provider in providers_of(f"{flag},on={call}")
]
JOB_CELLS = [
    (flag, provider, by_provider(outcome)[provider])
    for flag, outcome in JOBS.items()
    for provider in providers_of(flag)
]
ONCE_CELLS = [
    (flag, provider, by_provider(ONCE.get(flag, O.RECOVERED))[provider])
    for flag, provider, _ in CALL_CELLS
    if not flag.endswith("on=cancel")
]


def named(cells):
    return [pytest.param(*cell, id="-".join(cell[:2])) for cell in cells]


def outcome_of(desk):
    """What a person would call what has become of the job: the first that is true."""
    records = desk.records
    states = {record.state for record in records}
    pending = any(status_of(record) is JobStatus.PENDING for record in records)
    true = {
        O.MENDED: desk.complete and "was repaired" in desk.said,
        O.RECOVERED: desk.complete,
        O.STOPPED: any(ran.code == ExitCode.ACCOUNT for ran in desk.ran),
        O.UNRESOLVED: JobState.SUBMITTING in states and pending,
        O.LEFT: JobState.SUBMITTING in states,
        O.PLANNED: JobState.PLANNED in states and pending,
        O.BY_HAND: JobState.PLANNED in states,
        O.LOST: JobState.LOST in states,
        O.REFUSED: JobState.FAILED in states,
        O.ENDED_EARLY: states & {JobState.EXPIRED, JobState.CANCELLED},
        O.OPEN: any(record.collected_at for record in records),
        O.GOES_ON: "batch-cancel" in desk.typed,
        O.PENDING: any(record.last_error for record in records),
    }
    return next((outcome for outcome, is_so in true.items() if is_so), O.WAITS)


def check_cell(desk, outcome, patience):
    """Run the job under the fault that is set, look at what came of it, and bring it home without the fault."""
    codes = [desk.create().code]
    if desk.cancels:
        assert desk.cancel().code == 3
    codes.append(desk.watch(*patience).code)
    assert desk.struck, "the fault was never met"
    assert outcome_of(desk) is outcome, desk.said
    allowed, last = outcome.exit_codes
    assert codes[0] in allowed, desk.said
    assert codes[1] == last, desk.said
    desk.strike()
    desk.behave(fail_positions=[])
    desk.bring_home()
    assert desk.complete, desk.said
    assert desk.paid_wrongly() == {}, desk.said


@pytest.mark.parametrize(("flag", "provider", "outcome"), named(CALL_CELLS))
def test_a_call_that_always_fails(flag, provider, outcome, open_desk):
    form = form_of(flag)
    desk = open_desk(provider, hangs=form["name"] == "hang")
    desk.cancels = form["on"] == "cancel"
    desk.strike(*([LOST_CREATE] if form["on"] == "list" else []), form)
    check_cell(desk, outcome, PATIENCE.get(flag, (1, 1)))


@pytest.mark.parametrize(("flag", "provider", "outcome"), named(JOB_CELLS))
def test_a_job_that_goes_wrong(flag, provider, outcome, open_desk):
    form = form_of(flag)
    desk = open_desk(provider)
    if form["name"] in WITH_A_FAILURE:
        desk.behave(fail_positions=[0])
    desk.strike(*([LOST_CREATE] if form["name"] == "list_lag" else []), form)
    check_cell(desk, outcome, PATIENCE.get(flag, (1, 1)))


@pytest.mark.parametrize(("flag", "provider", "outcome"), named(ONCE_CELLS))
def test_a_call_that_fails_once(flag, provider, outcome, open_desk):
    form = form_of(flag)
    desk = open_desk(provider, hangs=form["name"] == "hang")
    desk.strike(*([LOST_CREATE] if form["on"] == "list" else []), form | {"times": 1})
    check_cell(desk, outcome, (3, 1))


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("name", ["late_create", "list_lag"])
def test_a_longer_grace_outlasts_a_longer_lag(name, provider, open_desk):
    desk = open_desk(provider, grace=900)
    desk.strike(*([LOST_CREATE] if name == "list_lag" else []), {"name": name, "seconds": 600})
    desk.create()
    desk.watch(3, 1)
    assert outcome_of(desk) is O.UNRESOLVED, desk.said
    desk.bring_home()
    assert desk.complete
    assert desk.paid_wrongly() == {}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("name", ["late_create", "list_lag"])
def test_beyond_the_grace_a_job_is_looked_for_and_not_sent_again(name, provider, open_desk):
    desk = open_desk(provider)
    desk.strike(*([LOST_CREATE] if name == "list_lag" else []), {"name": name, "seconds": 1800})
    desk.create()
    desk.strike()
    desk.watch(10, 1)
    assert outcome_of(desk) is _UNKNOWN[provider], desk.said
    desk.clock.advance(1800)
    desk.fetch()
    assert [len(record.attempts) for record in desk.records] == [1], desk.said
    taken = desk.records[0].job_name is not None
    # Where its input could be deleted, a create that comes late makes no job to be found.
    assert taken == (name == "list_lag" or provider == "anthropic"), desk.said
    desk.bring_home()
    assert desk.complete, desk.said
    assert desk.paid_wrongly() == {}, desk.said
    assert len(desk.emulator.world.store.all_jobs(Vendor(provider))) == 1


def test_every_fault_has_its_place_in_the_tables():
    calls = {(form_of(flag)["name"], call) for flag, outcomes in CALLS.items() for call in outcomes}
    assert calls == {
        (name, str(call))
        for name, kind in FAULTS.items()
        if kind.scope is Scope.CALL
        for call in kind.where
        if call is not Operation.LIVE
    }
    assert {form_of(flag)["name"] for flag in JOBS} == {
        name for name, kind in FAULTS.items() if kind.scope is not Scope.CALL
    }
    assert set(PROVIDERS) == {str(vendor) for vendor in Vendor}
    for name, kind in FAULTS.items():
        flags = [form_of(flag) for flag in (*CALLS, *JOBS) if form_of(flag)["name"] == name]
        for key, parameter in kind.parameters.items():
            values = {form.get(key, parameter.default) for form in flags}
            assert values >= set(parameter.choices), f"{name}: not every {key} is tried"


# ---- the page

_INTRO = """\
Everything below is tried at every provider it can happen to, with the faults of the [emulator](emulator.md#faults).
This is what you see as long as the fault lasts. When it is over, the commands that the messages name bring every
answer home. No request is paid for twice unless its answer cannot be had any more.
"""
_ON_CALLS = """\
When a call fails every time. Anthropic has no upload. A call that fails only once is `recovered`, but for three:
trouble with the account stops the run, a cancel is not tried again, and a create that got no answer is not sent again
just because a list does not show it.
"""
_ON_JOBS = "When the job, its results or an answer goes wrong:"


_SO = {
    "answer=error": "and the answer is a 500",
    "committed=true": "and was carried out all the same",
    "forever=true": "and stays in it when it has ended",
    "only=true": "and there is nothing else",
    "says=all_succeeded": "and say that nothing failed",
    "says=null": "as null, not as an empty text",
    "seconds=130": "which are 130",
    "shape=fields": "a field is missing",
    "status=503": "with the status 503",
    "status=504": "with the status 504",
}
"""What a parameter adds to the sentence about its fault."""


def written(flag):
    """A fault for the page: its name and parameters, what happens, and to whom if not to all."""
    name, *pairs = flag.split(",")
    known = FAULTS[name]
    whom = "" if len(known.vendors) == len(PROVIDERS) else f" ({', '.join(PROVIDERS[v] for v in known.vendors)})"
    says = ", ".join([known.says.removesuffix("."), *(_SO[pair] for pair in pairs)])
    return f"`{', '.join([name, *pairs])}`: {says}{whom}"


def cell(outcome):
    """An outcome; where one provider has another than the rest, both."""
    if not isinstance(outcome, dict):
        return outcome
    usual = max(outcome.values(), key=list(outcome.values()).count)
    others = [f"{PROVIDERS[name]}: {other}" for name, other in outcome.items() if other is not usual]
    return "; ".join([usual, *others])


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def generated():
    calls = [str(call) for call in Operation if call is not Operation.LIVE]
    seen = {outcome for outcomes in (*CALLS.values(), JOBS) for outcome in _outcomes_of(outcomes)}
    legend = "".join(f"- **{outcome}**: {outcome.says}\n" for outcome in Outcome if outcome in seen)
    on_calls = [[written(flag), *(cell(outcomes.get(call, "")) for call in calls)] for flag, outcomes in CALLS.items()]
    on_jobs = [
        [
            written(flag),
            *(by_provider(outcome)[name] if name in providers_of(flag) else "" for name in PROVIDERS),
        ]
        for flag, outcome in JOBS.items()
    ]
    return "\n".join(
        [
            _INTRO,
            legend,
            _ON_CALLS,
            table(["the call's fault", *calls], on_calls),
            _ON_JOBS + "\n",
            table(["the job's fault", *PROVIDERS.values()], on_jobs),
        ]
    )


def _outcomes_of(cells):
    for outcome in cells.values():
        yield from outcome.values() if isinstance(outcome, dict) else [outcome]


def test_the_page_holds_what_the_tables_say():
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin, f"{PAGE.name} has no place for the tables"
    assert end, f"{PAGE.name} has no place for the tables"
    wanted = f"{before}{BEGIN}\n{generated()}\n{END}{after}"
    if os.environ.get("BATCHWRIGHT_UPDATE_DOCS") == "1":
        PAGE.write_text(wanted, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == wanted, "to write it anew: BATCHWRIGHT_UPDATE_DOCS=1"
