"""What a live call costs: our engine beside a bare loop over the same client and beside the official SDKs, in one run.

The server (`live_server.py`) has one core to itself and every run (`live_runs.py`) is a process of its own on another.
Rounds alternate, and the best of each way counts: another program can only make a run look worse. Takes about ten
minutes on two quiet cores, most of them the SDKs'.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.request import Request, urlopen

HERE = Path(__file__).resolve().parent
VENDORS = ("openai-chat", "openai-responses", "anthropic", "gemini")
PARTS = ("overhead", "engine", "latency", "limits", "memory")
ALLOWED = 100.0
"""Calls a second at the half-allowed server; the client may make twice as many."""
SHARE_OF_SDK, TIMES_BARE, SHARE_OF_RATE = 1 / 5, 2.0, 1 / 2
ENGINE_MICROSECONDS = 40.0
SHARE_WITH_LATENCY = 0.85
SHARE_OF_REFUSALS = 1 / 10
MEMORY_GROWTH = 0.2
_MB = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is asked."""

    calls: int = 5000
    workers: int = 100
    rounds: int = 3
    items: int = 100_000
    """Through the engine alone."""
    patient_calls: int = 20_000
    patient_workers: int = 1000
    limited_calls: int = 1500
    limited_workers: int = 200
    """As many as the calls a second that the client may make. With fewer, soon every worker of the independent loop
    waits to try again, and that holds the others back too."""
    few_items: int = 10_000
    many_items: int = 1_000_000


QUICK = Sizes(
    calls=300,
    workers=20,
    rounds=1,
    items=5000,
    patient_calls=600,
    patient_workers=60,
    limited_calls=300,
    limited_workers=200,
    few_items=5000,
    many_items=20_000,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run took."""

    calls: int
    wall_s: float
    cpu_s: float
    peak_bytes: int

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.calls / self.wall_s

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds a call."""
        return 1000 * self.cpu_s / self.calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The best of several runs of one way: each figure for itself."""

    rate: float
    cpu_ms: float
    peak_mb: float

    @classmethod
    def of(cls, costs: Sequence[Cost]) -> "Best":
        """Pick the best figures."""
        return cls(
            rate=max(cost.rate for cost in costs),
            cpu_ms=min(cost.cpu_ms for cost in costs),
            peak_mb=min(cost.peak_bytes for cost in costs) / _MB,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One figure that has to hold."""

    what: str
    found: float
    bar: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return self.found >= self.bar if self.at_least else self.found <= self.bar

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        return f"  {'met   ' if self.holds else 'MISSED'} {self.what}: {self.found:.3g} ({sign} {self.bar:.3g})"


def overhead_demands(name: str, ours: Best, bare: Best, sdk: Best) -> list[Demand]:
    """Return what is asked of our engine with one adapter."""
    return [
        Demand(what=f"{name}: CPU of the SDK's", found=ours.cpu_ms / sdk.cpu_ms, bar=SHARE_OF_SDK),
        Demand(what=f"{name}: times the bare loop's CPU", found=ours.cpu_ms / bare.cpu_ms, bar=TIMES_BARE),
        Demand(what=f"{name}: of the bare loop's rate", found=ours.rate / bare.rate, bar=SHARE_OF_RATE, at_least=True),
    ]


class Bench:
    """Starts servers and runs, each where it belongs."""

    def __init__(self, sizes: Sizes, vendors: Sequence[str]) -> None:
        self.sizes = sizes
        self.vendors = vendors
        cores = sorted(os.sched_getaffinity(0))
        self._client = ["--cpu", str(cores[0])]
        self._server = ["--cpu", str(cores[-1])]
        if len(cores) == 1:
            print("only one core: server and client share it", file=sys.stderr)

    @contextmanager
    def server(self, *options: str) -> Iterator[str]:
        """Run a server; gives its address."""
        command = [sys.executable, str(HERE / "live_server.py"), *self._server, *options]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            if not port:
                raise RuntimeError("the server did not start")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.stdin.close()
            process.wait()
            process.stdout.close()

    def run(
        self, way: str, *, calls: int, workers: int, url: str = "", vendor: str = VENDORS[0], warm: int = 0
    ) -> Cost:
        """Run once. Raises `subprocess.CalledProcessError` when it fails; it has said why."""
        command = [sys.executable, str(HERE / "live_runs.py"), way, *self._client, "--vendor", vendor, "--url", url]
        command += ["--calls", str(calls), "--workers", str(workers), "--warm-up", str(warm)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return Cost(**json.loads(done.stdout))

    def overhead(self) -> Iterator[Demand]:
        """Measure every adapter against the bare loop and the SDK."""
        sizes = self.sizes
        print(f"{sizes.calls:,} prompts, {sizes.workers} at once; the best of {sizes.rounds}")
        print(f"  {'':17} {'way':5} {'calls/s':>8} {'CPU ms/call':>12} {'peak MB':>8}")
        with self.server() as url:
            for vendor in self.vendors:
                costs: dict[str, list[Cost]] = {"bare": [], "ours": [], "sdk": []}
                for _ in range(sizes.rounds):
                    for way, found in costs.items():
                        warm = min(500, sizes.calls)
                        found.append(
                            self.run(way, calls=sizes.calls, workers=sizes.workers, url=url, vendor=vendor, warm=warm)
                        )
                best = {way: Best.of(found) for way, found in costs.items()}
                for way, one in best.items():
                    print(
                        f"  {vendor:17} {way:5} {one.rate:>8,.0f} {one.cpu_ms:>12.3f} {one.peak_mb:>8.1f}", flush=True
                    )
                yield from overhead_demands(vendor, best["ours"], best["bare"], best["sdk"])

    def engine(self) -> Iterator[Demand]:
        """Measure the engine with calls that do nothing."""
        sizes = self.sizes
        costs = [self.run("engine", calls=sizes.items, workers=sizes.workers, warm=1000) for _ in range(sizes.rounds)]
        micros = 1000 * Best.of(costs).cpu_ms
        print(f"engine alone, {sizes.items:,} items: {micros:.1f} CPU µs an item")
        yield Demand(what="engine alone, CPU µs an item", found=micros, bar=ENGINE_MICROSECONDS)

    def latency(self) -> Iterator[Demand]:
        """Measure a thousand workers at a server that takes its time."""
        sizes = self.sizes
        costs: dict[str, list[Cost]] = {"bare": [], "ours": []}
        with self.server("--latency", "0.2") as url:
            for _ in range(sizes.rounds):
                for way, found in costs.items():
                    warm = sizes.patient_workers
                    found.append(
                        self.run(way, calls=sizes.patient_calls, workers=sizes.patient_workers, url=url, warm=warm)
                    )
        bare, ours = Best.of(costs["bare"]), Best.of(costs["ours"])
        print(f"200 ms latency, {sizes.patient_workers:,} workers, {sizes.patient_calls:,} calls, calls/s:")
        print(f"  bare {bare.rate:,.0f} ({bare.cpu_ms:.3f} CPU ms), ours {ours.rate:,.0f} ({ours.cpu_ms:.3f} CPU ms)")
        share = ours.rate / bare.rate
        yield Demand(what="with latency, of the bare loop's rate", found=share, bar=SHARE_WITH_LATENCY, at_least=True)

    def limits(self) -> Iterator[Demand]:
        """Let one pause for all and independent retries meet a server that allows half of what is sent.

        What is set, and why: both ways share one limiter at twice what the server allows, which lets go evenly (bursts
        of a twentieth of a second), and have the same number of workers. The pauses and the slow start's delays of the
        coordinated way are the defaults divided by `live_runs.SCALE`, for the default pause of five minutes would be
        all that is measured; and it may pause as often as it takes, as the other may try again as often as it takes.
        The independent way pauses as the SDKs do, in seconds as they are. The server counts refused calls against
        the limit as well, as OpenAI says of its own; where refusals cost nothing, retrying at once is punished less.
        """
        sizes = self.sizes
        found = {}
        for way in ("independent", "coordinated"):
            with self.server("--allowed", str(ALLOWED)) as url:
                cost = self.run(way, calls=sizes.limited_calls, workers=sizes.limited_workers, url=url)
                with urlopen(Request(f"{url}/refusals", method="POST"), timeout=10) as answer:  # noqa: S310  (ours)
                    refusals = json.load(answer)["refusals"]
            found[way] = cost.wall_s, refusals
            print(f"half the rate allowed, {way}: {refusals:,} refusals, {cost.wall_s:.1f} s", flush=True)
        (alone_s, alone), (together_s, together) = found["independent"], found["coordinated"]
        yield Demand(what="half the rate allowed, share of refusals", found=together / alone, bar=SHARE_OF_REFUSALS)
        yield Demand(what="half the rate allowed, share of the time", found=together_s / alone_s, bar=1.0)

    def memory(self) -> Iterator[Demand]:
        """Measure whether a long stream takes more memory than a short one."""
        sizes = self.sizes
        small, large = (
            self.run("engine", calls=items, workers=sizes.workers).peak_bytes
            for items in (sizes.few_items, sizes.many_items)
        )
        print(
            f"peak RSS: {small / _MB:.1f} MB at {sizes.few_items:,}, {large / _MB:.1f} MB at {sizes.many_items:,} items"
        )
        yield Demand(what="peak of many items, times that of few", found=large / small, bar=1 + MEMORY_GROWTH)


def main() -> int:
    """Print the tables and what holds; return 1 when something does not or a run failed."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench live", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a few hundred calls, to see that it runs")
    parser.add_argument("--vendors", nargs="+", choices=VENDORS, default=VENDORS, help="only these adapters")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="only these parts")
    parser.add_argument("--rounds", type=int, help="how often each way is measured")
    options = parser.parse_args()
    sizes = QUICK if options.quick else Sizes()
    bench = Bench(replace(sizes, rounds=options.rounds or sizes.rounds), options.vendors)
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}", flush=True)
    demands: list[Demand] = []
    try:
        for part in options.parts:
            for demand in getattr(bench, part)():
                demands.append(demand)
                print(demand, flush=True)
    except (subprocess.CalledProcessError, RuntimeError) as error:
        print(f"stopped: {error}", file=sys.stderr)
        return 1
    missed = sum(not demand.holds for demand in demands)
    print(f"{missed} of {len(demands)} missed" if missed else f"all {len(demands)} met")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
