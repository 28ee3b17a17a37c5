"""kill -9 of a table's run through a Batch API at random moments, then `--resume`: every row once, nothing paid twice.

A program of its own: `python -m harness.rows FOLDER PROVIDER ...` prints one JSON object. Moments are drawn from the
whole run, from where its first file was seen to its end. What must be true is read with nothing of batchwright's own
code: the output's CSV and the emulator's log.
"""

import argparse
import csv
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from harness.emulator import Emulator, emulating
from harness.place import GRACE, RESTARTS, tell
from harness.watching import await_end

ROWS = 60
PROMPTS = 40
"""Of which the rows are about, some of them twice."""
JOB_REQUESTS = 15
_GLANCE = 0.001


@dataclass(frozen=True)
class Table:
    """A table, its run, and the emulator it goes through."""

    folder: Path
    provider: str
    emulator: Emulator

    @property
    def output(self):
        return self.folder / "out.csv"

    @property
    def command(self):
        words = ["batch", "table.csv", "--provider", self.provider, "--via", "batch", "--template", "Say {text}"]
        return [*words, "--output", "out.csv", "--batch-id", "mine"]

    @property
    def resuming(self):
        return ["batch", "table.csv", "--resume", "--batch-id", "mine"]

    def begin(self):
        self.emulator.reset()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        with (self.folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["id", "text"], *([n, f"word {n % PROMPTS}"] for n in range(ROWS))])

    def start(self, words):
        environment = {
            **os.environ,
            "BATCHWRIGHT_EMULATOR_URL": self.emulator.url,
            "BATCHWRIGHT_GRACE": GRACE,
            f"BATCHWRIGHT_{self.provider.upper()}_MAX_REQUESTS": str(JOB_REQUESTS),
            "NO_COLOR": "1",
        }
        with (self.folder / "said.txt").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "batchwright", *words],
                cwd=self.folder,
                env=environment,
                stdout=said,
                stderr=said,
            )

    def run(self, words):
        process = self.start(words)
        return await_end(process.pid, process.poll, self.folder)

    def kill_after(self, delay):
        """Kill a new run so long after its first file was there; false if it had ended by then."""
        process = self.start(self.command)
        self.await_begin(process)
        time.sleep(delay)
        process.kill()
        return process.wait() < 0

    def await_begin(self, process):
        while not (self.folder / "data").exists() and process.poll() is None:
            time.sleep(_GLANCE)

    def finish(self):
        """Give the command again until it has done all; return how often, or None where it never did."""
        for number in range(1, RESTARTS + 1):
            code = self.run(self.resuming)
            if code == 2:  # killed before there was a run
                code = self.run(self.command)
            if code == 0:
                return number
        return None

    def violations(self):
        """Yield what is wrong with the output, and with what was paid for."""
        with self.output.open(newline="", encoding="utf-8") as file:
            found = [(row["id"], row["response"], row.get("error", "")) for row in csv.DictReader(file)]
        wanted = [(str(number), f"Say word {number % PROMPTS}", "") for number in range(ROWS)]
        if found != wanted:
            yield f"the output is not the table with its answers: {sorted(set(found) ^ set(wanted))[:5]}"
        if len(found) != ROWS:
            yield f"{len(found)} rows of {ROWS}"
        if (paid := self.emulator.stats(self.provider)["requests"]) != PROMPTS:
            yield f"{paid} requests were paid for, of {PROMPTS} prompts"

    def said(self):
        return (self.folder / "said.txt").read_text(encoding="utf-8", errors="replace")


def kill_often(table, kills, chance):
    """Kill so often; return the figures and what was violated."""
    length = measure(table)
    found, restarts, left, done, missed = {}, Counter(), Counter(), 0, 0
    while done < kills and missed < 4 * kills:
        delay = chance.uniform(0, length)
        table.begin()
        if not table.kill_after(delay):
            missed += 1
            continue
        done += 1
        left[f"{table.emulator.stats(table.provider)['creates']} created"] += 1
        restarts[table.finish()] += 1
        if wrong := list(table.violations()):
            found[f"kill {done} after {delay:.3f} s"] = [*wrong, table.said()]
    return {"kills": done, "missed": missed, "left": left, "restarts": restarts, "violations": found}


def measure(table):
    """Run undisturbed and return the seconds from the first file to the end."""
    table.begin()
    process = table.start(table.command)
    table.await_begin(process)
    began = time.monotonic()
    code = await_end(process.pid, process.poll, table.folder)
    if code or (wrong := list(table.violations())):
        raise AssertionError(f"without any kill: {code or wrong}\n{table.said()}")
    return time.monotonic() - began


def main(words=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("provider")
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(words)
    asked.folder.mkdir(parents=True)
    with emulating(asked.folder / "emulator", runs_s=0) as emulator:
        table = Table(asked.folder / "workspace", asked.provider, emulator)
        figures = kill_often(table, asked.kills, random.Random(asked.seed))
    tell(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
