"""How many tokens an attempt used, read from whatever was returned or raised. Pure."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from batchwright.providers.classifiers import causes

Tokens = tuple[int, int, int]
"""Input, output, total."""
Reader = Callable[[str], Any]
"""The value under a name, or None."""

FAILED_USAGE = "_failed_token_usage"
"""Where an exception's `__dict__` holds what was used: read from what was raised, written for the caller."""
_OWN_USAGE = "_own_token_usage"
"""What stood under `FAILED_USAGE` before we wrote there; a caller may raise the same exception object again."""
_NONE: Tokens = (0, 0, 0)
_INPUT = ("input_tokens", "request_tokens", "prompt_tokens")
_OUTPUT = ("output_tokens", "response_tokens", "completion_tokens")
_TOTAL = ("total_tokens",)
_HOLDERS = ("result", "response", "completion")
"""Attributes of exceptions that hold the answer which could not be used."""


def tokens_of(usage: object) -> Tokens | None:
    """Return the tokens in a mapping or an object, by any of their usual names; None if it has none of them."""
    if usage is None:
        return None
    usual = _usual(usage) if type(usage) is dict else None
    return _by_any_name(usage) if usual is None else usual


def _usual(usage: dict[str, Any]) -> Tokens | None:
    """Return the tokens of a mapping in the form that most have; None for any other. Nothing but speed."""
    read, written, total = usage.get("input_tokens"), usage.get("output_tokens"), usage.get("total_tokens", 0)
    if type(read) is type(written) is type(total) is int and read >= 0 and written >= 0:
        return read, written, max(total, read + written)
    return None


def _by_any_name(usage: object) -> Tokens | None:
    find: Reader = usage.get if isinstance(usage, (dict, Mapping)) else partial(_attribute, usage)
    read, written, total = _first(find, _INPUT), _first(find, _OUTPUT), _first(find, _TOTAL)
    if read is None and written is None and total is None:
        return None
    both = (read or 0) + (written or 0)
    return read or 0, written or 0, max(total or 0, both)


def tokens_of_answer(answer: object) -> Tokens | None:
    """Return the tokens of something that has them as `.usage`, an attribute or, as it once was, a method."""
    usage = _attribute(answer, "usage")
    tokens = tokens_of(usage)
    if tokens is None and callable(usage):
        with suppress(Exception):
            return tokens_of(usage())
    return tokens


def tokens_of_failure(exception: BaseException) -> Tokens | None:
    """Return what a failed attempt used: what the exception carries, or the first of its causes that carries any."""
    for link in causes(exception):
        tokens = _carried(link)
        if tokens is None and isinstance(link, BaseExceptionGroup):
            tokens = _sum(tokens_of_failure(member) for member in link.exceptions)
        if tokens is not None:
            return tokens
    return None


def leave_usage(exception: BaseException, usage: Mapping[str, int]) -> None:
    """Put what a failed item used, all attempts together, where the guide's callers look for it."""
    kept = exception.__dict__
    kept.setdefault(_OWN_USAGE, kept.get(FAILED_USAGE))
    kept[FAILED_USAGE] = dict(usage)


def _carried(exception: BaseException) -> Tokens | None:
    kept = exception.__dict__
    tokens = tokens_of(kept[_OWN_USAGE] if _OWN_USAGE in kept else kept.get(FAILED_USAGE))
    if tokens is not None:
        return tokens
    holders = (exception, *(_attribute(exception, name) for name in _HOLDERS))
    return next((found for holder in holders if (found := tokens_of_answer(holder)) is not None), None)


def _sum(several: Iterable[Tokens | None]) -> Tokens | None:
    known = [tokens for tokens in several if tokens is not None]
    if not known:
        return None
    return sum(t[0] for t in known), sum(t[1] for t in known), sum(t[2] for t in known)


def _first(find: Reader, names: tuple[str, ...]) -> int | None:
    for name in names:
        value = find(name)
        if isinstance(value, int):
            return max(0, value)
    return None


def _attribute(holder: object, name: str) -> Any:
    """Return an attribute, or None; somebody's property may raise anything, and what is not said is unknown."""
    try:
        return getattr(holder, name, None)
    except Exception:  # noqa: BLE001  (see above)
        return None
