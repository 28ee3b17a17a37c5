"""The emulator's time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class Clock:
    """Real time and a settable offset; all in seconds, `real` since 1970."""

    real: Callable[[], float]
    offset: float = 0.0

    def now(self) -> float:
        """The time at which the emulated services are."""
        return self.real() + self.offset
