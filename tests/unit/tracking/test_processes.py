"""Several processes on one tracking file, and their sudden death."""

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batchwright.errors import ClaimedJobError, TrackingError
from batchwright.job import BatchRef, JobRecord
from batchwright.tracking.json_file import JsonFileJobStore
from batchwright.tracking.payloads import JobFolders

JOB_ID = "job-000000000001"
COUNT = """
import sys
from dataclasses import replace
from pathlib import Path
from batchwright.tracking.json_file import JsonFileJobStore
store = JsonFileJobStore(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    record = store.update(sys.argv[3], lambda record: replace(record, batch_size=record.batch_size + 1))
    print(record.batch_size, flush=True)
"""
DIE = """
import os, sys
from dataclasses import replace
from pathlib import Path
from batchwright.tracking.json_file import JsonFileJobStore
store, deaths, touches = JsonFileJobStore(Path(sys.argv[1])), int(sys.argv[3]), [0]
store.update(sys.argv[2], lambda record: record)  # everything is imported by now
def touched(event, arguments):
    if event in {"open", "os.rename", "os.remove", "os.mkdir"} and "batch_jobs.json" in str(arguments[0]):
        touches[0] += 1
        if touches[0] == deaths:
            os._exit(9)
sys.addaudithook(touched)
store.update(sys.argv[2], lambda record: replace(record, batch_size=record.batch_size + 1))
"""
CLAIM = """
import sys
from pathlib import Path
from batchwright.tracking.payloads import JobFolders
with JobFolders(Path(sys.argv[1])).claim(sys.argv[2]):
    print("claimed", flush=True)
    sys.stdin.read()
"""
HOLD = """
import sys
from pathlib import Path
from batchwright.tracking.locks import locked
with locked(Path(sys.argv[1] + ".lock"), Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""
LIMITED = """
import resource, sys
from dataclasses import replace
from pathlib import Path
from batchwright.errors import TrackingError
from batchwright.tracking.json_file import JsonFileJobStore
from batchwright.tracking.payloads import JobFolders
path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    JsonFileJobStore(path).update(sys.argv[2], lambda record: replace(record, last_error="x" * 9000))
except TrackingError as exc:
    print(exc)
folders = JobFolders(path)
try:
    with folders.writer(folders.requests_path(sys.argv[2])) as writer:
        for _ in range(100):
            writer.write(b"x" * 50_000)
except TrackingError as exc:
    print(exc)
"""


@contextmanager
def running(program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "batch_jobs.json"
    batches = tuple(BatchRef(group="g", document="d", index=index, item_ids=range(10)) for index in range(50))
    JsonFileJobStore(path).add(
        JobRecord(
            job_id=f"job-{number:012d}",
            provider_name="gemini",
            task="categorise",
            model="m",
            batches=batches,
            request_count=50,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        for number in range(3)
    )
    return path


def test_four_processes_lose_none_of_each_others_changes(path):
    command = [sys.executable, "-c", COUNT, str(path), "25", JOB_ID]
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [process.wait() for process in processes] == [0, 0, 0, 0]
    assert JsonFileJobStore(path).get(JOB_ID).batch_size == 100


def test_a_kill_at_any_moment_leaves_a_valid_file_with_every_change_that_was_reported(path):
    chance = random.Random(11)
    reported = 0
    for _ in range(5):
        with running(COUNT, path, 100_000, JOB_ID) as process:
            assert process.stdout is not None
            for _ in range(chance.randint(1, 12)):
                reported = int(process.stdout.readline())
        now = JsonFileJobStore(path, timeout=5).update(JOB_ID, lambda record: record)
        assert now.batch_size >= reported
        assert len(JsonFileJobStore(path).load()) == 3


def test_death_before_any_touch_of_the_disk_leaves_the_file_as_it_was(path):
    deaths = 0
    while True:
        command = [sys.executable, "-c", DIE, str(path), JOB_ID, str(deaths + 1)]
        if subprocess.run(command, check=False).returncode == 0:
            break
        deaths += 1
        assert JsonFileJobStore(path, timeout=5).get(JOB_ID).batch_size == 0
    assert JsonFileJobStore(path).get(JOB_ID).batch_size == 1
    assert deaths >= 4  # lock, read, temp file, rename


def test_a_dead_holder_never_blocks(path):
    with running(HOLD, path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(TrackingError, match="in use by another process"):
            JsonFileJobStore(path, timeout=0.02).update(JOB_ID, lambda record: record)
    assert JsonFileJobStore(path, timeout=0.02).update(JOB_ID, lambda record: record).job_id == JOB_ID


def test_a_claim_tells_a_live_process_from_a_dead_one(path):
    folders = JobFolders(path)
    with running(CLAIM, path, JOB_ID) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert folders.is_claimed(JOB_ID)
        with (
            pytest.raises(ClaimedJobError, match=f"{JOB_ID} is in the hands of another process"),
            folders.claim(JOB_ID),
        ):
            pytest.fail("claimed twice")
    assert not folders.is_claimed(JOB_ID)
    with folders.claim(JOB_ID):
        assert folders.is_claimed(JOB_ID)


def test_a_full_disk_is_named_and_leaves_everything_as_it_was(path):
    before = path.read_bytes()
    run = subprocess.run([sys.executable, "-c", LIMITED, path, JOB_ID], capture_output=True, text=True, check=True)
    first, second = run.stdout.splitlines()
    assert first.startswith(f"cannot write the tracking file {path}: File too large; it was kept as it was")
    assert second.startswith(f"cannot write {JobFolders(path).requests_path(JOB_ID)}: File too large")
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir() if "tmp" in item.name] == []
    assert list(JobFolders(path).folder(JOB_ID).iterdir()) == []
