"""A fault as it was set, how it is written, and whether it strikes. Pure.

As JSON, a fault is one flat object; only `name` is required::

    {"name": "rate_limit_seconds", "provider": "openai", "on": ["create"], "times": 2, "seconds": 130}

As a flag, the same is `rate_limit_seconds:openai,on=create,times=2,seconds=130`.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from batchwright.emulator.faults.parameters import Takes, Value, read_value
from batchwright.emulator.faults.registry import FAULTS, OPERATIONS, FaultKind, Scope
from batchwright.emulator.vendor import Operation, Vendor

_HOW_OFTEN = {
    "times": Takes.COUNT,
    "every": Takes.COUNT,
    "probability": Takes.SHARE,
    "after": Takes.COUNT,
    "seed": Takes.COUNT,
}
_AT_LEAST_ONE = ("times", "every")
_RESERVED = ("name", "provider", "on", *_HOW_OFTEN)


class FaultError(ValueError):
    """What was set is no fault, or none that can happen there; the message names it and says what can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault that is set for one vendor."""

    name: str
    vendor: Vendor
    on: tuple[Operation, ...]
    times: int | None = None
    """At most so many strikes; None = no end."""
    every: int = 1
    """Only every so many-th occasion."""
    probability: float = 1.0
    """Of those occasions, this share, drawn by the seed."""
    after: int = 0
    """The first occasions pass."""
    seed: int | None = None
    """None = the `seed` of the vendor's scenario."""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    """Every parameter of the kind."""

    @property
    def kind(self) -> FaultKind:
        """What the registry says about it."""
        return FAULTS[self.name]

    def number(self, name: str) -> float:
        """The parameter `name`, a number."""
        value = self.parameters[name]
        assert isinstance(value, int | float)
        return float(value)

    def word(self, name: str) -> str:
        """The parameter `name`, a text."""
        return str(self.parameters[name])

    def switch(self, name: str) -> bool:
        """The parameter `name`, true or false; false for kinds without it."""
        return self.parameters.get(name, False) is True

    def chooses(self, position: int) -> bool:
        """Whether it is about the request at `position` of a struck job."""
        share = self.number("share")
        if share > 0:
            return draw(self.seed or 0, self.name, "position", position) < share
        positions = self.parameters["positions"]
        return isinstance(positions, tuple) and position in positions

    def to_json(self) -> dict[str, Any]:
        """The flat JSON form; `parse_fault` reads it back."""
        own = {name: list(value) if isinstance(value, tuple) else value for name, value in self.parameters.items()}
        document: dict[str, Any] = {"name": self.name, "provider": str(self.vendor)}
        if self.kind.scope is not Scope.JOB:
            document["on"] = [str(operation) for operation in self.on]
        often = {"times": self.times, "every": self.every, "probability": self.probability, "after": self.after}
        return document | often | {"seed": self.seed} | own


def draw(seed: int, *what: object) -> float:
    """A number from 0 up to 1 that is always the same for the same seed and the same thing."""
    text = "\x1f".join(map(str, (seed, *what)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest()) / 256**7


def strikes(fault: Fault, *, occasion: int, struck: int, seed: int) -> bool:
    """Whether the fault strikes on its `occasion` (from 0), having struck so often; `seed` where it has none itself."""
    if occasion < fault.after or (fault.times is not None and struck >= fault.times):
        return False
    if (occasion - fault.after + 1) % fault.every:
        return False
    chance = draw(seed if fault.seed is None else fault.seed, fault.vendor, fault.name, occasion)
    return chance < fault.probability


def parse_flag(text: str) -> tuple[Fault, ...]:
    """Read `NAME[:PROVIDER][,key=value...]`; lists are written with `+`. Raises `FaultError`."""
    head, *pairs = text.split(",")
    name, colon, provider = head.partition(":")
    document: dict[str, Any] = {"name": name} | ({"provider": provider} if colon else {})
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key or key in document:
            raise FaultError(f"{text!r}: expected NAME[:PROVIDER][,key=value...], not {pair!r}")
        document[key] = value.split("+") if key == "on" else value
    return parse_fault(document)


def parse_fault(document: Any) -> tuple[Fault, ...]:
    """Read the JSON form: one fault for each vendor that is meant. Raises `FaultError`.

    Without a `provider`, those vendors are meant to whom it can happen.
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("name"), str):
        raise FaultError('a fault is a JSON object with a "name"')
    name: str = document["name"]
    kind = FAULTS.get(name)
    if kind is None:
        near = difflib.get_close_matches(name, FAULTS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(FAULTS)}"
        raise FaultError(f"unknown fault {name!r}; {hint}")
    if unknown := next((key for key in document if key not in _RESERVED and key not in kind.parameters), None):
        known = ", ".join([*_RESERVED[1:], *kind.parameters])
        raise FaultError(f"{name} has no parameter {unknown!r}; known: {known}")
    parameters = {key: _value(document, name, key, kind) for key in kind.parameters}
    often = {key: _how_often(document, name, key) for key in _HOW_OFTEN if document.get(key) is not None}
    faults = (
        Fault(name=name, vendor=vendor, on=on, parameters=parameters, **often)
        for vendor, on in _targets(document, name, kind)
    )
    return tuple(faults)


def parse_faults(documents: Any) -> tuple[Fault, ...]:
    """Read a list of JSON forms. Raises `FaultError`."""
    if not isinstance(documents, list | tuple):
        raise FaultError('faults are a list: [{"name": ...}]')
    return tuple(fault for document in documents for fault in parse_fault(document))


def _value(document: Mapping[str, Any], name: str, key: str, kind: FaultKind) -> Value:
    parameter = kind.parameters[key]
    if key not in document:
        return parameter.default
    try:
        return parameter.read(document[key])
    except ValueError as exc:
        raise FaultError(f"{name}: {key} is {exc}") from exc


def _how_often(document: Mapping[str, Any], name: str, key: str) -> Any:
    try:
        value = read_value(_HOW_OFTEN[key], document[key])
    except ValueError as exc:
        raise FaultError(f"{name}: {key} is {exc}") from exc
    if key in _AT_LEAST_ONE and value == 0:
        raise FaultError(f"{name}: {key} is at least 1")
    return value


def _targets(document: Mapping[str, Any], name: str, kind: FaultKind) -> Iterable[tuple[Vendor, tuple[Operation, ...]]]:
    """The vendors that are meant, and for each the operations."""
    provider, wanted = document.get("provider"), _operations(document, name, kind)
    if provider is None:
        possible = [(vendor, tuple(o for o in wanted if o in OPERATIONS[vendor])) for vendor in kind.vendors]
        if not any(on for _vendor, on in possible):
            raise FaultError(f"{name}: {', '.join(kind.vendors)} has no {wanted[0]}")
        yield from ((vendor, on) for vendor, on in possible if on)
        return
    if not isinstance(provider, str) or provider not in set(Vendor):
        raise FaultError(f"{name}: unknown provider {provider!r}; known: {', '.join(Vendor)}")
    vendor = Vendor(provider)
    if vendor not in kind.vendors:
        raise FaultError(f"{name} cannot happen to {vendor}; it can to {', '.join(kind.vendors)}")
    on = tuple(operation for operation in wanted if operation in OPERATIONS[vendor])
    if not on or ("on" in document and on != wanted):
        missing = next(operation for operation in wanted if operation not in OPERATIONS[vendor])
        raise FaultError(f"{name}: {vendor} has no {missing}")
    yield vendor, on


def _operations(document: Mapping[str, Any], name: str, kind: FaultKind) -> tuple[Operation, ...]:
    given = document.get("on")
    if given is None:
        return kind.where
    if kind.scope is Scope.JOB:
        raise FaultError(f"{name} strikes a job as a whole, and has no 'on'")
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or not names:
        raise FaultError(f"{name}: on is a list of {', '.join(kind.where)}")
    for item in names:
        if not isinstance(item, str) or item not in set(kind.where):
            raise FaultError(f"{name} cannot strike {item!r}; it can {', '.join(kind.where)}")
    return tuple(operation for operation in kind.where if operation in names)
