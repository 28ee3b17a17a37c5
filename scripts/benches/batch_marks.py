"""What both sides of the batch benchmark are asked, and how each measures itself."""

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

JOB_ROWS = 50_000
MODEL = "gpt-5.4-mini"
PATH = "/v1/chat/completions"
SYSTEM = "Sort the review. Answer with label, score from 0 to 100, urgent and a one-sentence reason."
TEMPLATE = "Customer {customer_id} wrote: {review_text}"
SCHEMA = {
    "type": "object",
    "properties": {
        "label": {"type": "string", "enum": ["praise", "complaint", "question", "other"]},
        "score": {"type": "integer"},
        "urgent": {"type": "boolean"},
        "reason": {"type": "string"},
    },
    "required": ["label", "score", "urgent", "reason"],
    "additionalProperties": False,
}
FIELDS = ("label", "score", "urgent", "reason")

_FORGET = Path("/proc/self/clear_refs")
"""Linux: writing 5 here makes the peak begin anew."""


class Marks:
    """CPU seconds, wall seconds and peak memory of each part of a run, one after another."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[str, float]] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measure a part. Where the kernel cannot begin the peak anew, a part's is that of all until then."""
        if _FORGET.exists():
            _FORGET.write_text("5", encoding="ascii")
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        self._parts[name] = {"wall_s": wall, "cpu_s": cpu, "peak_bytes": _peak_bytes()}

    def tell(self, rows: int) -> None:
        """Print everything as a line of JSON."""
        print(json.dumps({"rows": rows, "parts": self._parts}))


def _peak_bytes() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        found = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return int(found.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
