"""The faults that are set now, and how often each has struck; remembered across a restart."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from batchwright.emulator.faults.registry import Scope
from batchwright.emulator.faults.rules import Fault, draw, parse_fault, strikes
from batchwright.emulator.vendor import Operation, Vendor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchwright.emulator.store import Store


@dataclass(slots=True)
class _Active:
    number: int
    fault: Fault
    occasions: int = 0
    struck: int = 0


class FaultBook:
    """Decides, occasion by occasion, what strikes. Methods may be called from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seeds: dict[Vendor, int] = {}
        self._lock = threading.Lock()
        self._active = [
            _Active(number, parse_fault(document)[0], occasions, struck)
            for number, document, occasions, struck in store.faults()
        ]

    def use(self, faults: tuple[Fault, ...], seeds: dict[Vendor, int]) -> None:
        """Set these faults. Those at the front that were set before go on counting; all others start at 0.

        `seeds` are for faults that have none themselves.
        """
        with self._lock:
            self._seeds = seeds
            same = 0
            while same < min(len(faults), len(self._active)) and faults[same] == self._active[same].fault:
                same += 1
            for gone in self._active[same:]:
                self._store.drop_fault(gone.number)
            added = [_Active(self._store.add_fault(fault.to_json()), fault) for fault in faults[same:]]
            self._active = self._active[:same] + added

    def restart(self) -> None:
        """Count from 0 again, after the store was cleared."""
        with self._lock:
            self._active = [
                _Active(self._store.add_fault(active.fault.to_json()), active.fault) for active in self._active
            ]

    def show(self) -> list[dict[str, Any]]:
        """What is set, and for each how many occasions came and how often it struck."""
        with self._lock:
            return [
                {"id": active.number, **active.fault.to_json(), "occasions": active.occasions, "strikes": active.struck}
                for active in self._active
            ]

    def on_call(self, vendor: Vendor, operation: Operation) -> Fault | None:
        """The fault that strikes this call: the first one; those after it are not asked."""
        return next(self._struck(vendor, lambda fault: fault.kind.scope is Scope.CALL and operation in fault.on), None)

    def on_job(self, vendor: Vendor, *, in_file: bool) -> tuple[Fault, ...]:
        """All faults that strike the job that is created now; `in_file` is whether its results will be in a file."""

        def concerns(fault: Fault) -> bool:
            if fault.kind.needs_file and not in_file:
                return False
            scope = fault.kind.scope
            return scope is Scope.JOB or (scope is Scope.ANSWER and Operation.DOWNLOAD in fault.on)

        return tuple(self._struck(vendor, concerns))

    def on_live(self, vendor: Vendor) -> tuple[Fault, ...]:
        """All faults that strike the live answer that is given now."""
        return tuple(
            self._struck(vendor, lambda fault: fault.kind.scope is Scope.ANSWER and Operation.LIVE in fault.on)
        )

    def _struck(self, vendor: Vendor, concerns: Callable[[Fault], bool]) -> Iterator[Fault]:
        """The faults that strike on this occasion, each with a seed of its own for what is left to chance."""
        with self._lock:
            asked = [active for active in self._active if active.fault.vendor is vendor and concerns(active.fault)]
        for active in asked:
            with self._lock:
                occasion = active.occasions
                seed = self._seeds.get(vendor, 0)
                hit = strikes(active.fault, occasion=occasion, struck=active.struck, seed=seed)
                active.occasions += 1
                active.struck += hit
                self._store.count_fault(active.number, active.occasions, active.struck)
            if hit:
                seed = seed if active.fault.seed is None else active.fault.seed
                yield replace(active.fault, seed=int(draw(seed, vendor, active.fault.name, "seed", occasion) * 2**31))
