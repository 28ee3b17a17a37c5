"""The long runs of the programs in `tests/crash/harness`, several at a time, and a table of what they found."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROVIDERS = ("openai", "anthropic", "gemini")
AT_ONCE = 3
"""Programs beside each other: each waits about as long as it computes."""

_SHARED = Path(os.environ.get("BATCHWRIGHT_SHARED") or Path(__file__).resolve().parents[3] / "shared")
_CORPUS = _SHARED / "corpus" / "Documents"
"""A real issue report with its documents, where the shared material lies beside the repository."""

_ALL_DOCUMENTS = ("--documents", "fieldwork-handbook.md", "gcse-geography.md", "guidance-for-teaching.md")
_MORE_JOBS = (*_ALL_DOCUMENTS, "--batch-size", "5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One program of the harness, run for each provider, and what its figures say."""

    name: str
    program: str
    words: tuple[str, ...]
    tell: Callable[[Mapping[str, Any]], str]
    needs: Path | None = None
    """A folder that is not part of this repository; the program is left out where it is not there."""
    judge: Callable[[Mapping[str, Any]], Sequence[str]] = lambda figures: _listed(figures["violations"])
    """What is wrong, by the figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One line of the table."""

    name: str
    provider: str
    figures: str
    seconds: float
    violations: tuple[str, ...]


def _points(figures: Mapping[str, Any]) -> str:
    never = f", {figures['missed']} not reached" if figures["missed"] else ""
    return f"{figures['jobs']} jobs, {figures['touches']} touches, {figures['points']} crash points{never}"


def _listed(found: Mapping[str, object] | Sequence[str]) -> Sequence[str]:
    return [f"{where}: {found[where]}" for where in found] if isinstance(found, Mapping) else list(found)


def _twice(figures: Mapping[str, Any]) -> int:
    """After how many crashes something was paid twice."""
    found = figures["violations"].values()
    return sum(any("asked 2 time(s), not 1" in wrong for wrong in wrongs) for wrongs in found)


def _duplicates(figures: Mapping[str, Any]) -> str:
    return f"{figures['points']} crash points, something paid twice after {_twice(figures)} of them"


def _blind(figures: Mapping[str, Any]) -> Sequence[str]:
    """A control that does not find each job's create paid twice has shown that the crash points prove nothing."""
    if _twice(figures) == figures["jobs"]:
        return []
    return [f"paid twice after {_twice(figures)} crashes, not {figures['jobs']}", *_listed(figures["violations"])]


def _kills(figures: Mapping[str, Any]) -> str:
    return f"{figures['kills']} kills, {figures['between']} between planned and collected"


def _live_kills(figures: Mapping[str, Any]) -> str:
    return (
        f"{figures['kills']} kills, {figures['between']} with some of {figures['issues']} issues answered, "
        f"{figures['lost']} calls lost in flight, by one kill {figures['most_lost']} at most, "
        f"{figures['at_once']} being asked at once"
    )


def _rounds(figures: Mapping[str, Any]) -> str:
    return f"{figures['rounds']} rounds in {figures['busy']} s, {figures['jobs']} jobs, {figures['readings']} readings"


SOAKS: Mapping[str, Sequence[Part]] = {
    "crashes": (
        # One after the other, so that the n-th touch is the same in each run: every point there is, literally.
        Part(
            name="every crash point",
            program="points",
            words=(*_MORE_JOBS, "--workers", "1", "--literally"),
            tell=_points,
        ),
        # Side by side, as jobs are really sent: which touch is the n-th is a matter of chance, so a part is enough.
        Part(
            name="crash points, jobs side by side",
            program="points",
            words=(*_MORE_JOBS, "--jobs-per", "batch", "--literally", "--share", "0/4"),
            tell=_points,
        ),
        Part(
            name="control: no intent on disk",
            program="points",
            words=("--workers", "1", "--only", "send", "--without-intent"),
            tell=_duplicates,
            judge=_blind,
        ),
    ),
    "kill": (Part(name="kill -9", program="kills", words=("--kills", "100", "--seed", "9"), tell=_kills),),
    "live": (
        Part(
            name="kill -9 of a live run",
            program="live_kills",
            words=("--kills", "50", "--seed", "9", "--documents", str(_CORPUS)),
            tell=_live_kills,
            needs=_CORPUS,
        ),
    ),
    "processes": (
        Part(name="four processes", program="crowd", words=("--seconds", "60", "--issues", "300"), tell=_rounds),
    ),
}


def main() -> int:
    """Run the named soak; return 1 if anything was violated."""
    parser = argparse.ArgumentParser(prog="scripts/soak")
    parser.add_argument("soak", choices=[*SOAKS, "all"])
    parser.add_argument("--providers", nargs="+", choices=PROVIDERS, default=PROVIDERS)
    asked = parser.parse_args()
    parts = [part for name, parts in SOAKS.items() if asked.soak in {name, "all"} for part in parts]
    for part in parts:
        if not _is_possible(part):
            print(f"{part.name}: left out, {part.needs} is not here")
    root = Path(tempfile.mkdtemp(prefix="batchwright-soak-"))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = [(part, provider, root) for part in parts if _is_possible(part) for provider in asked.providers]
        outcomes = list(pool.map(lambda run: _told(_run(*run)), runs))
    _summarise(outcomes)
    if any(outcome.violations for outcome in outcomes):
        print(f"kept for a look: {root}")
        return 1
    shutil.rmtree(root)
    return 0


def _is_possible(part: Part) -> bool:
    return part.needs is None or part.needs.is_dir()


def _run(part: Part, provider: str, root: Path) -> Outcome:
    folder = root / f"{part.name}-{provider}".replace(" ", "-")
    command = [sys.executable, "-m", f"harness.{part.program}", str(folder), provider, *part.words]
    figures_path = root / f"{folder.name}.json"
    with figures_path.open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.PIPE, text=True)
        notes = _heard(process, f"{part.name}, {provider}")
    if process.wait():
        trouble = (f"exit {process.returncode}: {''.join(notes)[-2000:]}",)
        return Outcome(name=part.name, provider=provider, figures="did not end", seconds=0, violations=trouble)
    figures = json.loads(figures_path.read_bytes())
    return Outcome(
        name=part.name,
        provider=provider,
        figures=part.tell(figures),
        seconds=figures["seconds"],
        violations=tuple(part.judge(figures)),
    )


def _heard(process: "subprocess.Popen[str]", who: str) -> Sequence[str]:
    """Pass on what a program says while it runs; return the lines once it has ended."""
    lines = []
    for line in process.stderr or ():
        lines.append(line)
        print(f"{who}: {line}", end="", flush=True)
    return lines


def _told(outcome: Outcome) -> Outcome:
    """Say that one program is done; soaks take long, and somebody watches."""
    print(f"{outcome.name}, {outcome.provider}: {outcome.figures}, {len(outcome.violations)} violations", flush=True)
    return outcome


def _summarise(outcomes: Sequence[Outcome]) -> None:
    print()
    rows = [("soak", "provider", "figures", "seconds", "violations")]
    rows += [(o.name, o.provider, o.figures, f"{o.seconds:.0f}", str(len(o.violations))) for o in outcomes]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for outcome in outcomes:
        for violation in outcome.violations:
            print(f"VIOLATION {outcome.name}, {outcome.provider}: {violation}")


if __name__ == "__main__":
    raise SystemExit(main())
