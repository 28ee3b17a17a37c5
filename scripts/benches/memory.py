"""Does memory stay flat while a job grows? Plans, submits and collects at 20,000 requests and at full size.

Every phase runs in a process of its own, through the real planner, stores, adapters and SDKs, against
`batchwright emulator` in another process (it logs no bodies and echoes the question). A request is 2 kB, an answer
300 bytes. The bar: a phase's peak memory at full size is at most 20 % or 30 MB, whichever is more, above its peak at
20,000. Takes about two minutes, and 3 GB in the folder for temporary files.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROVIDERS = ("openai", "anthropic", "gemini")
ALLOWED_SHARE = 0.2
ALLOWED_BYTES = 30_000_000
SCENARIO = {"log_bodies": False, "responder": "echo", "validating_s": 0, "in_progress_s": 0, "finalizing_s": 0}
_MB = 1e6
_HEAD = (
    f"{'phase':8} {'provider':10} {'requests':>9} {'rows/s':>8} {'CPU s':>7} {'µs/request':>10} "
    f"{'peak MB':>8} {'small MB':>8} {'growth':>7} {'bar':>6}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Requests of each phase."""

    small: int = 20_000
    submit: int = 100_000
    full: int = 200_000
    """Planned, and collected."""


QUICK = Sizes(small=500, submit=1500, full=3000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one phase took."""

    requests: int
    wall_s: float
    cpu_s: float
    """Of the phase alone, without starting Python and importing the SDK."""
    peak_bytes: int
    """Of the whole process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One phase of one provider at both sizes."""

    phase: str
    provider: str
    small: Cost
    full: Cost

    @property
    def growth_bytes(self) -> int:
        """How much more memory the full size took."""
        return self.full.peak_bytes - self.small.peak_bytes

    @property
    def bar_bytes(self) -> float:
        """How much more it may take."""
        return max(ALLOWED_SHARE * self.small.peak_bytes, ALLOWED_BYTES)

    @property
    def holds(self) -> bool:
        """Whether the bar holds."""
        return self.growth_bytes <= self.bar_bytes

    def __str__(self) -> str:
        full = self.full
        return (
            f"{self.phase:8} {self.provider:10} {full.requests:>9,} {full.requests / full.wall_s:>8,.0f} "
            f"{full.cpu_s:>7.2f} {1e6 * full.cpu_s / full.requests:>10.1f} {full.peak_bytes / _MB:>8.1f} "
            f"{self.small.peak_bytes / _MB:>8.1f} {self.growth_bytes / _MB:>+7.1f} {self.bar_bytes / _MB:>+6.1f} "
            f"{'ok' if self.holds else 'OVER'}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One workspace, whose phases run one after another."""

    provider: str
    folder: Path
    url: str
    requests: int

    def run(self, phase: str) -> Cost:
        """Run a phase in a new process. Raises `subprocess.CalledProcessError` when it fails; it has said why."""
        command = [sys.executable, str(HERE / "memory_phases.py"), phase]
        command += ["--folder", str(self.folder), "--provider", self.provider]
        command += ["--url", self.url, "--requests", str(self.requests)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return Cost(**json.loads(done.stdout))


@contextmanager
def emulator(folder: Path) -> Iterator[str]:
    """Run the emulator with its state in `folder`; gives its URL."""
    scenario = folder / "scenario.json"
    scenario.write_text(json.dumps(SCENARIO), encoding="utf-8")
    command = [sys.executable, "-m", "batchwright", "emulator", "--port", "0"]
    command += ["--data", str(folder / "state"), "--scenario", str(scenario)]
    log = folder / "emulator.log"
    with log.open("wb") as talk:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=talk, text=True)
    try:
        url = process.stdout.readline().strip() if process.stdout else ""
        if not url:
            raise RuntimeError(f"the emulator did not start\n{log.read_text(encoding='utf-8')}")
        yield url
    finally:
        process.terminate()
        process.wait()


def measure(provider: str, sizes: Sizes) -> Iterator[Line]:
    """Yield the three phases of one provider as they are done."""
    with tempfile.TemporaryDirectory(prefix="batchwright-bench-") as name, emulator(Path(name)) as url:

        def job(requests: int) -> Job:
            return Job(provider=provider, folder=Path(name) / f"of-{requests}", url=url, requests=requests)

        small, sent, full = job(sizes.small), job(sizes.submit), job(sizes.full)
        yield Line(phase="plan", provider=provider, small=small.run("plan"), full=full.run("plan"))
        sent.run("plan")
        yield Line(phase="submit", provider=provider, small=small.run("submit"), full=sent.run("submit"))
        full.run("submit")
        for one in (small, full):
            one.run("settle")
        yield Line(phase="collect", provider=provider, small=small.run("collect"), full=full.run("collect"))


def main() -> int:
    """Print the table; return 1 when a peak is over the bar or a phase failed."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench memory", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a few thousand requests, to see that it runs")
    parser.add_argument("--providers", nargs="+", choices=PROVIDERS, default=PROVIDERS, help="only these")
    options = parser.parse_args()
    sizes = QUICK if options.quick else Sizes()
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs; small = {sizes.small:,} requests\n{_HEAD}")
    over = 0
    try:
        for provider in options.providers:
            for line in measure(provider, sizes):
                print(line, flush=True)
                over += not line.holds
    except (subprocess.CalledProcessError, RuntimeError) as error:
        print(f"stopped: {error}", file=sys.stderr)
        return 1
    print(f"{over} over the bar" if over else "every peak is within 20 % or 30 MB of the same at the small size")
    return 1 if over else 0


if __name__ == "__main__":
    raise SystemExit(main())
