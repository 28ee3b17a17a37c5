"""What does the whole way through a Batch API cost beside a bare script? A table in, its answers beside it out.

A table of about 300 characters a row goes through jobs of 50,000 requests at a server on this machine that answers at
once, with a four-field schema. Both sides do the same and run in turns, each in a process of its own; of each the round
with the least CPU counts (another program can only make a round look worse), and the highest peak:
`batch_bare.py` streams with csv, orjson, msgspec and pydantic and remembers nothing; `batch_ours.py` does what
`batchwright batch --via batch --no-dedupe` does, with ids, limits, digests, durable files and every answer in the
database. What they write is compared cell by cell.

The bars: at most 2.5 times the bare script's CPU on the whole way; a peak under 120 MB at any size, and at the larger
size within 20 % of the smaller. CPU is user and system time of the process, without starting Python and importing.
Takes about ten minutes, and 4 GB in the folder for temporary files.
"""

import argparse
import csv
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

HERE = Path(__file__).resolve().parent
SIZES = (100_000, 1_000_000)
QUICK = (500, 2_000)
TIMES_BARE = 2.5
MOST_BYTES = 120_000_000
GROWTH = 1.2
PARTS = ("write", "send", "collect")
WHOLE = "whole"
_MB = 1e6
_SENTENCE = (
    "the delivery was late and nobody answered the phone which is a pity because I like the shop and its people very "
    "much indeed thank you for the quick refund it arrived on Monday café"
)
_WORDS_A_ROW = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one part of the way took."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One side's whole way and its parts."""

    rows: int
    parts: dict[str, Cost]

    @classmethod
    def read(cls, line: str) -> "Way":
        """Return what a side printed, and the whole beside its parts."""
        told = json.loads(line)
        parts = {name: Cost(**part) for name, part in told["parts"].items()}
        whole = Cost(
            wall_s=sum(part.wall_s for part in parts.values()),
            cpu_s=sum(part.cpu_s for part in parts.values()),
            peak_bytes=max(part.peak_bytes for part in parts.values()),
        )
        return cls(rows=told["rows"], parts=parts | {WHOLE: whole})

    def micros(self, part: str) -> float:
        """Return CPU microseconds a row."""
        return 1e6 * self.parts[part].cpu_s / self.rows

    @property
    def peak_bytes(self) -> int:
        """The most memory on the whole way."""
        return self.parts[WHOLE].peak_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One figure that has to hold."""

    what: str
    found: float
    bar: float

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return self.found <= self.bar

    def __str__(self) -> str:
        return f"  {'met   ' if self.holds else 'MISSED'} {self.what}: {self.found:.4g} (<= {self.bar:.4g})"


def demands_on(ours: Way, bare: Way, smaller: Way | None) -> Iterator[Demand]:
    """Yield what is asked of our side at one size; `smaller` is the same at the size before."""
    rows = f"{ours.rows:,} rows"
    yield Demand(
        what=f"{rows}: times the bare script's CPU", found=ours.micros(WHOLE) / bare.micros(WHOLE), bar=TIMES_BARE
    )
    yield Demand(what=f"{rows}: peak in MB", found=ours.peak_bytes / _MB, bar=MOST_BYTES / _MB)
    if smaller is not None:
        found = ours.peak_bytes / smaller.peak_bytes
        yield Demand(what=f"{rows}: peak, times that of {smaller.rows:,}", found=found, bar=GROWTH)


def make_table(path: Path, rows: int) -> None:
    """Write a table whose every row is another text, some with quotes in it."""
    chance = random.Random(1)  # noqa: S311  (a bench, no secret)
    words = _SENTENCE.split()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["customer_id", "review_text"])
        for number in range(rows):
            quoted = ' "quoted"' if number % 5 == 0 else ""
            text = " ".join(chance.choices(words, k=_WORDS_A_ROW))
            writer.writerow([number, f"{text}, number {number}{quoted}"])


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run the server with its files in `folder`; gives its address."""
    command = [sys.executable, str(HERE / "batch_server.py"), "--folder", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().strip() if process.stdout else ""
        if not url:
            raise RuntimeError("the server did not start")
        yield url
    finally:
        process.terminate()
        process.wait()


def run(side: str, source: Path, folder: Path, *options: str) -> Way:
    """Run one side. Raises `subprocess.CalledProcessError` when it fails; it has said why."""
    answers = folder / f"{side}-answers"
    own = folder / side
    for made in (answers, own):
        made.mkdir()
    with server(answers) as url:
        command = [sys.executable, str(HERE / f"batch_{side}.py"), "--url", url]
        command += ["--source", str(source), "--folder", str(own), *options]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Way.read(done.stdout)


def require_same(ours: Path, bare: Path, rows: int) -> None:
    """Raise `RuntimeError` unless both sides wrote the same cells, `rows` rows of them and a header."""
    number = 0
    with ours.open(newline="", encoding="utf-8") as one, bare.open(newline="", encoding="utf-8") as other:
        for number, (mine, theirs) in enumerate(zip_longest(csv.reader(one), csv.reader(other))):
            if [cell.lower() for cell in mine or ()] != [cell.lower() for cell in theirs or ()]:  # true, True
                raise RuntimeError(f"row {number} is {mine} in ours, {theirs} in the bare script's")
    if number != rows:
        raise RuntimeError(f"{number:,} of {rows:,} rows were written")


def best(rounds: Sequence[Way]) -> Way:
    """Return the round with the least CPU on the whole way, with the highest peak of any."""
    highest = max(way.peak_bytes for way in rounds)
    least = min(rounds, key=lambda way: way.parts[WHOLE].cpu_s)
    return replace(least, parts=least.parts | {WHOLE: replace(least.parts[WHOLE], peak_bytes=highest)})


def measure(rows: int, options: Sequence[str], rounds: int) -> tuple[Way, Way]:
    """Return what our side and the bare script take for a table of so many rows."""
    with tempfile.TemporaryDirectory(prefix="batchwright-bench-") as name:
        folder = Path(name)
        source = folder / "table.csv"
        make_table(source, rows)
        ours, bare = [], []
        for number in range(rounds):
            place = folder / str(number)
            place.mkdir()
            bare.append(run("bare", source, place))
            ours.append(run("ours", source, place, *options))
            require_same(place / "ours" / "ours.csv", place / "bare" / "bare.csv", rows)
            shutil.rmtree(place)
    return best(ours), best(bare)


def show(ours: Way, bare: Way) -> None:
    """Print the parts of both, side by side."""
    for part in (*PARTS, WHOLE):
        for side, way in (("ours", ours), ("bare", bare)):
            cost = way.parts[part]
            print(
                f"  {way.rows:>9,} {part:8} {side:5} {way.rows / cost.wall_s:>9,.0f} {way.micros(part):>9.1f} "
                f"{cost.peak_bytes / _MB:>8.1f}",
                flush=True,
            )


def main() -> int:
    """Print the tables and what holds; return 1 when something does not or a run failed."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench batch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a few thousand rows, to see that it runs")
    parser.add_argument("--rows", nargs="+", type=int, help="tables of these sizes instead")
    parser.add_argument("--dedupe", action="store_true", help="ours looks for equal prompts too, as a run does")
    parser.add_argument("--rounds", type=int, default=3, help="how often each side runs; %(default)s")
    options = parser.parse_args()
    more = ["--dedupe"] if options.dedupe else []
    how = "looking for equal prompts" if options.dedupe else "with --no-dedupe"
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; ours {how}")
    print(f"  {'rows':>9} {'part':8} {'side':5} {'rows/s':>9} {'µs CPU/row':>9} {'peak MB':>8}")
    demands: list[Demand] = []
    smaller = None
    try:
        for rows in options.rows or (QUICK if options.quick else SIZES):
            ours, bare = measure(rows, more, options.rounds)
            show(ours, bare)
            found = list(demands_on(ours, bare, smaller))
            print(*found, sep="\n", flush=True)
            demands += found
            smaller = smaller or ours
    except (subprocess.CalledProcessError, RuntimeError) as error:
        print(f"stopped: {error}", file=sys.stderr)
        return 1
    missed = sum(not demand.holds for demand in demands)
    print(f"{missed} of {len(demands)} missed" if missed else f"all {len(demands)} met")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
