"""What is finished is remembered: across processes, kills and changes of what is asked."""

import asyncio
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from batchwright.errors import TrackingError
from batchwright.live.processor.journal import SqliteJournal, digest_of
from batchwright.live.processor.work import LLMWorkItem, WorkItemResult
from batchwright.result import Result, ResultStatus
from batchwright.testing import MockAgent, run_virtual

AGENT = MockAgent(response_factory=lambda prompt: prompt)


def item(item_id: str = "a", prompt: str = "p", **more: Any) -> LLMWorkItem:
    return LLMWorkItem(item_id=item_id, agent=AGENT, prompt=prompt, **more)


def done(item_id: str = "a", output: Any = "answer") -> WorkItemResult:
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    return WorkItemResult(item_id=item_id, success=True, output=output, token_usage=usage, attempts=2, seconds=0.5)


class Verdict(BaseModel):
    correct: bool
    why: str = ""


@dataclass
class Point:
    x: int


def test_a_finished_item_comes_back_in_another_process_with_its_tokens_and_today_s_context(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "j.db") as journal:
        journal.record(item(), done(output={"n": [1, None]}))

    with SqliteJournal(tmp_path / "j.db") as journal:
        recalled = journal.recall(item(context="mine"))

    assert recalled == WorkItemResult(
        item_id="a",
        success=True,
        output={"n": [1, None]},
        context="mine",
        token_usage={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
        attempts=0,
    )


def test_what_is_not_written_yet_is_found_as_well(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "j.db") as journal:
        journal.record(item(), done())
        recalled = journal.recall(item())

    assert recalled is not None
    assert recalled.output == "answer"


def test_a_failure_is_not_remembered_and_does_not_forget_an_earlier_success(tmp_path: Path) -> None:
    failure = WorkItemResult(item_id="b", success=False, error="no")
    with SqliteJournal(tmp_path / "j.db") as journal:
        journal.record(item(), done())
        journal.record(item("b"), failure)
        journal.record(item(), failure)

        assert journal.recall(item("b")) is None
        assert journal.recall(item()) is not None


@pytest.mark.parametrize(
    "changed",
    [item(prompt="other"), item(input_data={"page": 2}), item(input_data=b"\xff\x00")],
    ids=["prompt", "input", "bytes"],
)
def test_a_changed_item_is_not_served_the_old_answer(tmp_path: Path, changed: LLMWorkItem) -> None:
    with SqliteJournal(tmp_path / "j.db") as journal:
        journal.record(item(), done())

        assert journal.recall(changed) is None
        journal.record(changed, done(output="new"))
        recalled = journal.recall(changed)
        assert recalled is not None
        assert recalled.output == "new"


def test_another_salt_is_another_question(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "j.db", salt="gpt-5") as journal:
        journal.record(item(), done())
    with SqliteJournal(tmp_path / "j.db", salt="gpt-6") as journal:
        assert journal.recall(item()) is None


def test_the_context_and_the_address_of_an_object_do_not_make_another_question() -> None:
    assert digest_of(item(context=1)) == digest_of(item(context=2))
    assert digest_of(item(input_data={"o": object()})) == digest_of(item(input_data={"o": object()}))
    assert digest_of(item(input_data=Point(1))) != digest_of(item(input_data=Point(2)))


@pytest.mark.parametrize(
    ("kind", "output"),
    [
        (Verdict, Verdict(correct=True, why="é")),
        (Point, Point(7)),
        (list[Verdict], [Verdict(correct=False)]),
        (Result, Result(custom_id="r", status=ResultStatus.SUCCEEDED, text="t", model="m")),
    ],
)
def test_outputs_come_back_as_what_they_were(tmp_path: Path, kind: Any, output: Any) -> None:
    with SqliteJournal(tmp_path / "j.db", output_type=kind) as journal:
        journal.record(item(), done(output=output))
    with SqliteJournal(tmp_path / "j.db", output_type=kind) as journal:
        recalled = journal.recall(item())

    assert recalled is not None
    assert recalled.output == output


def test_an_output_of_an_older_shape_is_asked_for_again(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "j.db") as journal:
        journal.record(item(), done(output={"right": 1}))
    with SqliteJournal(tmp_path / "j.db", output_type=Verdict) as journal:
        assert journal.recall(item()) is None


def test_an_output_that_would_come_back_as_something_else_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with (
        SqliteJournal(tmp_path / "j.db") as journal,
        pytest.raises(TrackingError, match=r"'a' is a Verdict.*output_type=Verdict"),
    ):
        journal.record(item(), done(output=Verdict(correct=True)))


def test_an_output_that_is_no_json_at_all_is_refused(tmp_path: Path) -> None:
    with (
        SqliteJournal(tmp_path / "j.db") as journal,
        pytest.raises(TrackingError, match="'a' cannot be stored as JSON"),
    ):
        journal.record(item(), done(output={"o": object()}))


@pytest.mark.parametrize(
    ("kind", "output"),
    [
        (None, "half \ud800"),
        (None, {"a": ["\udfff", 1]}),
        (Verdict, Verdict(correct=True, why="half \ud800")),
        (dict[str, str], {"a": "\ud800"}),
    ],
)
def test_half_a_surrogate_pair_in_an_answer_ends_no_run_and_comes_back(tmp_path: Path, kind: Any, output: Any) -> None:
    for _ in range(2):
        with SqliteJournal(tmp_path / "j.db", output_type=kind) as journal:
            recalled = journal.recall(item())
            journal.record(item(), done(output=output))

    assert recalled is not None
    assert recalled.output == output


def holding_itself() -> list[Any]:
    circle: list[Any] = ["x"]
    circle.append(circle)
    return circle


class Speechless:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    "odd",
    [
        item("\ud800"),
        item("é"),
        item(prompt="half \ud800"),
        item(input_data=Speechless()),
        item(input_data=holding_itself()),
    ],
)
def test_an_item_that_is_no_json_is_remembered_like_any_other(tmp_path: Path, odd: LLMWorkItem) -> None:
    with SqliteJournal(tmp_path / "j.db") as journal:
        assert journal.recall(odd) is None
        journal.record(odd, done(odd.item_id))
    with SqliteJournal(tmp_path / "j.db") as journal:
        assert journal.recall(odd) is not None
        other = LLMWorkItem(item_id=odd.item_id, agent=AGENT, prompt="another")
        assert journal.recall(other) is None


def test_rows_are_written_within_a_moment_though_nothing_else_happens(tmp_path: Path) -> None:
    async def scene() -> tuple[int, int]:
        with SqliteJournal(tmp_path / "j.db", flush_seconds=0.2) as journal:
            journal.record(item(), done())
            at_once = written(tmp_path / "j.db")
            await asyncio.sleep(0.21)
            return at_once, written(tmp_path / "j.db")

    assert run_virtual(scene()) == (0, 1)


def test_many_rows_are_written_together_without_waiting(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "j.db", flush_seconds=3600, flush_rows=100) as journal:
        for number in range(250):
            journal.record(item(str(number)), done(str(number)))
        assert written(tmp_path / "j.db") == 200
    assert written(tmp_path / "j.db") == 250


def test_a_loop_that_ended_before_its_timer_keeps_no_row_back(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "j.db", flush_seconds=0.0) as journal:

        async def record(name: str) -> None:
            journal.record(item(name), done(name))

        run_virtual(record("a"))
        run_virtual(record("b"))
        assert written(tmp_path / "j.db") == 2


def test_two_runs_may_share_a_journal(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "j.db") as one, SqliteJournal(tmp_path / "j.db") as other:
        one.record(item("a"), done("a"))
        other.record(item("b"), done("b"))
        one.flush()
        other.flush()

        assert one.recall(item("b")) is not None
        assert other.recall(item("a")) is not None


def test_a_journal_that_cannot_be_written_says_so_and_loses_nothing(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db", flush_seconds=3600)
    journal.record(item(), done())
    with sqlite3.connect(tmp_path / "j.db") as other:
        other.execute("DROP TABLE finished")
    other.close()

    with pytest.raises(TrackingError, match=r"j\.db cannot be written"):
        journal.flush()
    assert journal.recall(item()) is not None
    with pytest.raises(TrackingError, match=r"j\.db cannot be written"):
        journal.close()


def test_somebody_else_s_database_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "theirs.db") as theirs:
        theirs.execute("CREATE TABLE precious (x)")
    theirs.close()

    with pytest.raises(TrackingError, match="no journal; give another path"):
        SqliteJournal(tmp_path / "theirs.db")


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("dear diary, " * 100)

    with pytest.raises(TrackingError, match=r"cannot be used: .*move it away"):
        SqliteJournal(tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text().startswith("dear diary")


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    SqliteJournal(tmp_path / "j.db").close()
    with sqlite3.connect(tmp_path / "j.db") as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()

    with pytest.raises(TrackingError, match="newer batchwright"):
        SqliteJournal(tmp_path / "j.db")


def written(path: Path) -> int:
    database = sqlite3.connect(path)
    try:
        (rows,) = database.execute("SELECT count(*) FROM finished").fetchone()
    finally:
        database.close()
    return int(rows)


_ENDLESS = """
import sys, time
from batchwright.live.processor.journal import SqliteJournal
from batchwright.live.processor.work import LLMWorkItem, WorkItemResult
from batchwright.testing import MockAgent

agent = MockAgent(response_factory=str)
journal = SqliteJournal(sys.argv[1], flush_seconds=0.1)
number = 0
while True:
    item = LLMWorkItem(item_id=str(number), agent=agent, prompt=f"prompt {number}")
    journal.record(item, WorkItemResult(item_id=str(number), success=True, output=f"answer {number}"))
    print(number, time.time(), flush=True)
    number += 1
"""


@pytest.mark.parametrize("lines", [1, 150, 1_000, 20_000])
def test_a_run_killed_at_any_moment_loses_only_its_last_moment(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "j.db"
    with subprocess.Popen([sys.executable, "-c", _ENDLESS, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        told = [child.stdout.readline() for _ in range(lines)]
        child.kill()
        told += [line for line in child.stdout if line.endswith("\n")]
    finished = [(int(number), float(at)) for number, at in (line.split() for line in told)]
    killed_at = finished[-1][1]

    with SqliteJournal(path) as journal:
        recalled = {number: journal.recall(item(str(number), f"prompt {number}")) for number, _ in finished}
    lost = [at for number, at in finished if recalled[number] is None]
    assert len(lost) <= 200
    assert all(killed_at - at < 1.0 for at in lost)
    assert all(result.output == f"answer {number}" for number, result in recalled.items() if result is not None)
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


_RUN = """
import asyncio, os, sys
from batchwright.live.processor.journal import SqliteJournal
from batchwright.live.processor.pool import ParallelBatchProcessor
from batchwright.live.processor.settings import ProcessorConfig
from batchwright.live.processor.work import LLMWorkItem

def item(number):
    async def call(attempt, timeout):
        os.write(1, f"{number}\\n".encode())
        await asyncio.sleep(0.005)
        return number, None
    return LLMWorkItem(item_id=str(number), direct_call=call, prompt=f"prompt {number}")

async def main():
    with SqliteJournal(sys.argv[1], flush_rows=50) as journal:
        processor = ParallelBatchProcessor(ProcessorConfig(max_workers=20), journal=journal)
        right = [result.output == int(result.item_id) async for result in processor.stream(map(item, range(2000)))]
    os.write(1, f"all {len(right)} {all(right)}\\n".encode())

asyncio.run(main())
"""


@pytest.mark.parametrize("lines", [30, 700, 1900])
def test_a_processor_killed_and_started_again_asks_only_what_its_last_moment_lost(tmp_path: Path, lines: int) -> None:
    command = [sys.executable, "-c", _RUN, str(tmp_path / "j.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        told = [child.stdout.readline() for _ in range(lines)]
        child.kill()
        told += [line for line in child.stdout if line.endswith("\n")]
    asked = {line.strip() for line in told}

    *again, end = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert end == "all 2000 True"
    repeated = asked.intersection(again)
    assert len(again) == 2000 - len(asked) + len(repeated)
    assert len(repeated) <= 50 + 20  # rows that waited to be written, and calls in flight
