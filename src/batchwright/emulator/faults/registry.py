"""Every fault there is: what it does, whom it can happen to, where, and with which parameters. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from batchwright.emulator.faults.parameters import Parameter, Takes
from batchwright.emulator.vendor import Operation, Vendor

if TYPE_CHECKING:
    from collections.abc import Mapping


class Scope(StrEnum):
    """What a fault strikes, and so what counts as an occasion for it."""

    CALL = "call"
    """A call of one of its operations."""
    JOB = "job"
    """A job, when it is created; the job keeps the fault, also over a restart."""
    ANSWER = "answer"
    """A job, when it is created (`download`), or a live answer (`live`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """A fault one can set."""

    says: str
    """What happens, in one sentence."""
    vendors: tuple[Vendor, ...]
    """To whom it can happen."""
    where: tuple[Operation, ...]
    """The calls that it strikes (scope `call`), or in whose answers it shows."""
    scope: Scope
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    needs_file: bool = False
    """Whether it is about the bytes of a results file, which Gemini's inline jobs do not have."""


_NONE: Mapping[str, Parameter] = MappingProxyType({})
_ALL = tuple(Vendor)
_OPENAI, _ANTHROPIC, _GEMINI = ((vendor,) for vendor in Vendor)
_CALLS = tuple(Operation)
_CREATE, _LIST, _DOWNLOAD = (Operation.CREATE,), (Operation.LIST,), (Operation.DOWNLOAD,)
_LOOKS = (Operation.GET, Operation.LIST, Operation.CANCEL)
_RESULTS = (*_LOOKS, *_DOWNLOAD)
_LATE_S, _RETRY_S = 30.0, 7.0


def _seconds(default: float, says: str) -> dict[str, Parameter]:
    return {"seconds": Parameter(takes=Takes.SECONDS, default=default, says=says)}


def _share(name: str, default: float, says: str) -> dict[str, Parameter]:
    return {name: Parameter(takes=Takes.SHARE, default=default, says=says)}


def _choice(name: str, says: str, *choices: str) -> dict[str, Parameter]:
    return {name: Parameter(takes=Takes.CHOICE, default=choices[0], choices=choices, says=says)}


def _switch(name: str, says: str) -> dict[str, Parameter]:
    return {name: Parameter(takes=Takes.SWITCH, default=False, says=says)}


_COMMITTED = _switch("committed", "Whether the call is carried out all the same.")
_RETRY_AFTER = _seconds(_RETRY_S, "Seconds to wait, as the answer says; 130 is more than the SDKs are ready to wait.")
_PART = _share("fraction", 0.5, "Share of the body that is sent.")
_ANSWERED = _share("fraction", 0.5, "Share of the requests that were answered.")
_WHICH = {
    "positions": Parameter(takes=Takes.POSITIONS, default=(0,), says="Which requests of the job, from 0."),
    **_share("share", 0.0, "When above 0: this share of the requests instead, drawn by the seed."),
}


def _call(
    says: str,
    parameters: Mapping[str, Parameter] = _NONE,
    *,
    vendors: tuple[Vendor, ...] = _ALL,
    where: tuple[Operation, ...] = _CALLS,
) -> FaultKind:
    return FaultKind(says=says, vendors=vendors, where=where, scope=Scope.CALL, parameters=parameters)


def _job(
    says: str,
    parameters: Mapping[str, Parameter] = _NONE,
    *,
    vendors: tuple[Vendor, ...] = _ALL,
    where: tuple[Operation, ...] = _LOOKS,
) -> FaultKind:
    return FaultKind(says=says, vendors=vendors, where=where, scope=Scope.JOB, parameters=parameters)


def _line(
    says: str,
    parameters: Mapping[str, Parameter] = _WHICH,
    *,
    vendors: tuple[Vendor, ...] = _ALL,
    needs_file: bool = False,
) -> FaultKind:
    return FaultKind(
        says=says, vendors=vendors, where=_DOWNLOAD, scope=Scope.JOB, parameters=parameters, needs_file=needs_file
    )


def _answer(says: str, parameters: Mapping[str, Parameter] = _NONE) -> FaultKind:
    where = (Operation.DOWNLOAD, Operation.LIVE)
    return FaultKind(says=says, vendors=_ALL, where=where, scope=Scope.ANSWER, parameters={**parameters, **_WHICH})


_CONNECTION = {
    "drop_before": _call("The connection is closed before anything was done."),
    "drop_after": _call(
        "The connection is closed after the call was carried out, without a byte of answer.",
        where=(Operation.CREATE, Operation.UPLOAD, Operation.CANCEL, Operation.LIVE),
    ),
    "drop_during": _call("The connection is closed in the middle of the answer.", _PART),
    "body_cut": _call("The answer is shorter than its content-length says, and the connection is closed.", _PART),
    "hang": _call(
        "The call is taken and not answered.",
        _seconds(0.0, "Seconds of real time until it is carried out and answered; 0: until the caller gives up.")
        | _switch("committed", "Whether the call is carried out before the wait."),
    ),
}
_REFUSALS = {
    "rate_limit": _call("429 that does not say when to come again."),
    "rate_limit_seconds": _call("429 with `retry-after` in seconds.", _RETRY_AFTER),
    "rate_limit_date": _call("429 with `retry-after` as an HTTP date.", _RETRY_AFTER),
    "rate_limit_ms": _call("429 with `retry-after-ms`.", _RETRY_AFTER, vendors=(Vendor.OPENAI, Vendor.ANTHROPIC)),
    "rate_limit_info": _call("429 with a RetryInfo in its body.", _RETRY_AFTER, vendors=_GEMINI),
    "server_error": _call("500 in the vendor's words.", _COMMITTED),
    "unavailable": _call("503 in the vendor's words, before anything was done."),
    "overloaded": _call("529 in the vendor's words, before anything was done.", vendors=_ANTHROPIC),
    "gateway_error": _call(
        "A page of HTML from something in front of the service.",
        _choice("status", "The HTTP status.", "502", "503", "504") | _COMMITTED,
    ),
    "too_large": _call(
        "The call is refused for its size: 413, at Gemini the 400 that it uses for this.",
        where=(Operation.CREATE, Operation.UPLOAD),
    ),
    "credit_exhausted": _call(
        "The call is refused for want of credit, in the vendor's form (429; Anthropic 400 invalid_request_error).",
        where=(Operation.CREATE, Operation.LIVE),
    ),
    "not_found": _call(
        "404 for what is there; with `times` or `probability`, now and then.",
        where=(Operation.GET, Operation.DOWNLOAD, Operation.CANCEL),
    ),
}
_JOBS = {
    "late_create": _job(
        "The answer to create is lost, and the job comes into being only later, if its input is still there then.",
        _seconds(_LATE_S, "Seconds of the emulator's clock until the job is there.")
        | _choice("answer", "Closed connection, or 500.", "drop", "error"),
        where=(*_CREATE, *_LOOKS),
    ),
    "list_lag": _job(
        "A new job is missing from the list for a while; asked for by its name, it is there.",
        _seconds(_LATE_S, "Seconds of the emulator's clock until it is listed."),
        where=_LIST,
    ),
    "stuck": _job("The job runs until its window closes, and expires.", _ANSWERED),
    "expired": _job(
        "The job expires when it would have been done, with partial results (none at Gemini).",
        _ANSWERED,
        where=_RESULTS,
    ),
    "cancelled": _job(
        "The job ends as cancelled, by somebody else, with partial results (none at Gemini).",
        _ANSWERED,
        where=_RESULTS,
    ),
    "all_failed": _job("The job ends well, and every one of its requests failed.", where=_RESULTS),
    "token_limit_exceeded": _job("The job fails: too many tokens are enqueued.", vendors=_OPENAI),
    "status_jump": _job(
        "The job goes from its first state to its last without showing those between.",
        vendors=(Vendor.OPENAI, Vendor.GEMINI),
    ),
    "unknown_status": _job(
        "The job is in a state that nobody has heard of.",
        {"word": Parameter(takes=Takes.WORD, default="brandnew", says="The state's name.")}
        | _switch("forever", "Whether also when it has ended."),
    ),
    "counts_lie": _job(
        "The counts of an ended job are wrong.",
        _choice("says", "All zero, or everything answered and nothing failed.", "zero", "all_succeeded"),
    ),
    "error_file_id": _job(
        "The job says that it has no error file, also if it has one.",
        _choice("says", "An empty string, or null.", "empty", "null"),
        vendors=_OPENAI,
    ),
    "no_output_file": _job("The job ends well and names no results.", where=_RESULTS),
    "results_late": _job(
        "The job has succeeded, but its results file is 404 for a while.",
        _seconds(_LATE_S, "Seconds of the emulator's clock until the file is there."),
        vendors=_GEMINI,
        where=_DOWNLOAD,
    ),
    "results_gone": _job("The results are gone, as after the time they are kept.", where=_RESULTS),
}
_LINES = {
    "blank_line": _line("There is a blank line before a result.", needs_file=True),
    "no_final_newline": _line(
        "The results end without a line end, as Anthropic's always do.",
        _NONE,
        vendors=(Vendor.OPENAI, Vendor.GEMINI),
        needs_file=True,
    ),
    "invalid_json_line": _line("A result line is cut off in its middle.", needs_file=True),
    "shuffled": _line("Results come in another order than the requests.", _NONE),
    "missing_line": _line("A request that was answered is in no file."),
    "duplicate_line": _line("A result is there twice."),
    "unknown_line": _line("There is a result for an id that was never sent."),
    "credit_lines": _line("Requests fail for want of credit, in the vendor's form."),
    "unknown_result_type": _line("A result has a type that nobody has heard of.", vendors=_ANTHROPIC),
    "zero_status_line": _line("A line of the output file has the status code 0.", vendors=_OPENAI),
}
_ANSWERS = {
    "line_separator": _answer("A string in the answer holds U+2028, unescaped."),
    "cut_answer": _answer(
        "The answer is cut at the token limit, and says so.", _share("fraction", 0.5, "Share of the text that is left.")
    ),
    "prose_answer": _answer(
        "The answer stands in prose.", _switch("only", "Whether the prose stands in place of the answer.")
    ),
    "fenced_answer": _answer("The answer stands in a code fence."),
    "trailing_commas": _answer("The answer's JSON has trailing commas."),
    "wrong_shape": _answer(
        "The answer's JSON is of another shape.",
        _choice("shape", "One object in place of the list, or objects without their last field.", "object", "fields"),
    ),
    "empty_answer": _answer("The answer is empty."),
}

FAULTS: Mapping[str, FaultKind] = MappingProxyType(_CONNECTION | _REFUSALS | _JOBS | _LINES | _ANSWERS)
"""Every fault by its name."""

OPERATIONS: Mapping[Vendor, tuple[Operation, ...]] = MappingProxyType(
    {
        Vendor.OPENAI: _CALLS,
        Vendor.ANTHROPIC: tuple(operation for operation in Operation if operation is not Operation.UPLOAD),
        Vendor.GEMINI: _CALLS,
    }
)
"""What can be asked of each vendor."""
