import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from batchwright.errors import TrackingError
from batchwright.job import BatchRef, JobRecord, JobState, JobStatus, status_of
from batchwright.tracking.base import find_job
from batchwright.tracking.json_file import JsonFileJobStore

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIRST_GENERATION = {
    f"batches/{status}": {
        "provider_name": "gemini",
        "job_name": f"batches/{status}",
        "subject": "Geography",
        "filename": "gcse.md",
        "batch_index": index,
        "issue_ids": [2 * index, 2 * index + 1],
        "created_at": f"2025-11-03T10:2{index}:00",
        "status": status,
    }
    for index, status in enumerate(["completed", "pending", "failed"])
}


def make_record(number: int) -> JobRecord:
    batches = tuple(
        BatchRef(group="Geography", document="gcse.md", index=index, item_ids=(2 * index, 2 * index + 1))
        for index in range(3)
    )
    return JobRecord(
        job_id=f"job-{number:012d}",
        provider_name="gemini",
        task="categorise",
        model="m",
        batches=batches,
        request_count=3,
        created_at=NOW,
    )


def blame(record: JobRecord) -> JobRecord:
    return replace(record, last_error="no network")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "batch_jobs.json"


@pytest.fixture
def filled(path: Path) -> Path:
    JsonFileJobStore(path).add([make_record(1), make_record(2)])
    return path


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may write anywhere: be nobody for a while, where we are root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def everything_in(folder: Path) -> dict[str, bytes]:
    return {item.name: item.read_bytes() for item in folder.iterdir() if not item.name.endswith(".lock")}


def test_the_file_is_readable_and_has_a_line_for_each_field_and_batch(filled):
    lines = filled.read_text().splitlines()
    assert lines[:5] == [
        "{",
        '  "schema_version": 2,',
        '  "jobs": {',
        '    "job-000000000001": {',
        '      "provider_name": "gemini",',
    ]
    assert '        {"subject":"Geography","filename":"gcse.md","batch_index":1,"issue_ids":[2,3]},' in lines
    assert list(json.loads(filled.read_bytes())["jobs"]) == ["job-000000000001", "job-000000000002"]


def test_a_small_change_is_a_small_difference(filled):
    before = filled.read_text().splitlines()
    JsonFileJobStore(filled).update("job-000000000002", blame)
    after = filled.read_text().splitlines()
    assert [line for line in after if line not in before] == ['      "last_error": "no network",']
    assert len(after) == len(before) + 1


def test_an_update_that_changes_nothing_does_not_touch_the_file(filled):
    before = filled.stat()
    JsonFileJobStore(filled).update("job-000000000001", lambda record: record)
    assert filled.stat().st_ino == before.st_ino


def test_reading_makes_no_file(path):
    assert JsonFileJobStore(path).load() == ()
    assert not path.parent.exists()


def test_nothing_but_the_file_and_its_lock_stays_behind(filled):
    assert sorted(item.name for item in filled.parent.iterdir()) == ["batch_jobs.json", "batch_jobs.json.lock"]


def test_a_store_of_nothing_is_a_valid_file(path):
    store = JsonFileJobStore(path)
    store.add([make_record(1)])
    document = json.loads(path.read_bytes())
    document["jobs"] = {}
    path.write_text(json.dumps(document))
    assert store.load() == ()
    store.add([make_record(2)])
    assert store.load() == (make_record(2),)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"\n", "it is empty"),
        (b'{"schema_version": 2,\n  "jobs": {"job-0000', "at line 2 column"),
        (b'{\n<<<<<<< HEAD\n  "schema_version": 2', "at line 2 column"),
        (b'{"schema_version": 2, "jobs": {"job-1": "\xff"}}', "at line 1 column"),
        (b"[]", "something other than an object"),
        (b'{"schema_version": 2}', "jobs is not an object"),
        (b'{"schema_version": 2, "jobs": {"job-1": 3}}', "jobs is not an object of objects"),
        (b'{"schema_version": "2", "jobs": {}}', "schema_version is '2'"),
        (b'{"schema_version": true, "jobs": {}}', "schema_version is True"),
        (b'{"jobs": {}}', "job 'jobs'"),
        (b"\0\0\0\0", "at line 1 column"),
        (b"[" * 100_000, "recursion limit"),
    ],
)
def test_a_damaged_file_is_named_and_kept(path, content, reason):
    path.parent.mkdir()
    path.write_bytes(content)
    store = JsonFileJobStore(path)
    for use in (store.load, lambda: store.add([make_record(3)]), lambda: store.update("job-000000000001", blame)):
        with pytest.raises(TrackingError) as caught:
            use()
        assert f"the tracking file {path} is damaged" in str(caught.value)
        assert reason in str(caught.value)
        assert "kept as it is" in str(caught.value)
    assert everything_in(path.parent) == {"batch_jobs.json": content}


def test_a_newer_file_is_refused_and_kept(path):
    path.parent.mkdir()
    path.write_text('{"schema_version": 3, "jobs": {}}')
    store = JsonFileJobStore(path)
    for use in (store.load, lambda: store.add([make_record(3)])):
        with pytest.raises(TrackingError, match="schema version 3, this batchwright knows 2; it was kept as it is"):
            use()
    assert everything_in(path.parent) == {"batch_jobs.json": b'{"schema_version": 3, "jobs": {}}'}


def test_a_malformed_record_is_named_with_the_file_and_survives_updates_of_others(filled):
    document = json.loads(filled.read_bytes())
    document["jobs"]["job-000000000001"]["state"] = "asleep"
    filled.write_text(json.dumps(document))
    store = JsonFileJobStore(filled)
    with pytest.raises(TrackingError, match=r"batch_jobs.json is damaged: job 'job-000000000001': state is not one of"):
        store.load()
    assert store.update("job-000000000002", blame).last_error == "no network"
    assert json.loads(filled.read_bytes())["jobs"]["job-000000000001"]["state"] == "asleep"


def test_fields_of_a_later_version_survive_an_update(filled):
    document = json.loads(filled.read_bytes())
    document["written_by"] = "later"
    document["jobs"]["job-000000000001"]['a "new"\nfield'] = {"x": 1}
    filled.write_text(json.dumps(document))
    JsonFileJobStore(filled).update("job-000000000001", blame)
    after = json.loads(filled.read_bytes())
    assert after["written_by"] == "later"
    assert after["jobs"]["job-000000000001"]['a "new"\nfield'] == {"x": 1}
    assert after["jobs"]["job-000000000001"]["last_error"] == "no network"


def test_a_record_that_could_not_be_read_again_is_never_written(filled):
    before = filled.read_bytes()
    with pytest.raises(TrackingError, match="request_count"):
        JsonFileJobStore(filled).update("job-000000000001", lambda record: replace(record, request_count=-1))
    assert filled.read_bytes() == before


def test_a_byte_order_mark_put_there_by_an_editor_is_no_damage(filled):
    filled.write_bytes(b"\xef\xbb\xbf" + filled.read_bytes())
    assert JsonFileJobStore(filled).load() == (make_record(1), make_record(2))


def test_the_files_permissions_stay(filled):
    filled.chmod(0o640)
    JsonFileJobStore(filled).update("job-000000000001", blame)
    assert stat.S_IMODE(filled.stat().st_mode) == 0o640


def test_a_link_to_a_shared_file_stays_a_link(filled, tmp_path):
    link = tmp_path / "mine.json"
    link.symlink_to(filled)
    JsonFileJobStore(link).update("job-000000000001", blame)
    assert link.is_symlink()
    assert JsonFileJobStore(filled).get("job-000000000001").last_error == "no network"


def test_a_lock_held_too_long_is_said(filled):
    before = filled.read_bytes()
    with Path(f"{filled}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TrackingError, match=r"has been in use by another process for 0.05 s.*nothing was changed"):
            JsonFileJobStore(filled, timeout=0.05).update("job-000000000001", blame)
        assert len(JsonFileJobStore(filled).load()) == 2
    assert filled.read_bytes() == before


def test_a_lock_file_left_behind_means_nothing(path):
    path.parent.mkdir()
    Path(f"{path}.lock").write_text("999999")
    JsonFileJobStore(path, timeout=0.05).add([make_record(1)])
    assert len(JsonFileJobStore(path).load()) == 1


@pytest.mark.parametrize("read_only", ["folder", "file"])
def test_what_is_read_only_is_read_and_its_writing_refused_by_name(read_only):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "batch_jobs.json"
        JsonFileJobStore(path).add([make_record(1)])
        Path(f"{path}.lock").chmod(0o666)
        path.chmod(0o666 if read_only == "folder" else 0o444)
        path.parent.chmod(0o555 if read_only == "folder" else 0o777)
        before = everything_in(path.parent)
        try:
            with without_privileges():
                assert JsonFileJobStore(path).load() == (make_record(1),)
                with pytest.raises(TrackingError, match=r"cannot write the tracking file .*batch_jobs.json"):
                    JsonFileJobStore(path).update("job-000000000001", blame)
            assert everything_in(path.parent) == before
        finally:
            path.parent.chmod(0o755)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(TrackingError, match=r"cannot write the tracking file .*data/batch_jobs.json"):
        JsonFileJobStore(tmp_path / "data" / "batch_jobs.json").add([make_record(1)])


@pytest.fixture
def first_generation(path: Path) -> Path:
    path.parent.mkdir()
    path.write_text(json.dumps(FIRST_GENERATION, indent=2))
    return path


def test_a_first_generation_file_is_read_as_it_is(first_generation):
    before = everything_in(first_generation.parent)
    records = JsonFileJobStore(first_generation).load()
    assert [(record.job_name, status_of(record)) for record in records] == [
        ("batches/completed", JobStatus.COMPLETED),
        ("batches/pending", JobStatus.PENDING),
        ("batches/failed", JobStatus.PENDING),
    ]
    assert find_job(records, "pending").batches[0].item_ids == (2, 3)
    assert everything_in(first_generation.parent) == before


def test_a_first_generation_file_is_upgraded_by_the_first_change_and_kept_beside(first_generation):
    before = first_generation.read_bytes()
    store = JsonFileJobStore(first_generation)
    records = store.load()
    store.update(find_job(records, "batches/pending").job_id, lambda record: replace(record, state=JobState.LOST))
    assert [(record.job_id, record.state) for record in store.load()] == [
        (records[0].job_id, JobState.COMPLETED),
        (records[1].job_id, JobState.LOST),
        (records[2].job_id, JobState.SUBMITTED),
    ]
    assert json.loads(first_generation.read_bytes())["schema_version"] == 2
    assert Path(f"{first_generation}.v1").read_bytes() == before


def test_an_earlier_copy_of_another_first_generation_file_is_not_overwritten(first_generation):
    Path(f"{first_generation}.v1").write_text("an earlier one")
    before = first_generation.read_bytes()
    JsonFileJobStore(first_generation).add([make_record(1)])
    assert Path(f"{first_generation}.v1").read_text() == "an earlier one"
    assert Path(f"{first_generation}.v1-2").read_bytes() == before


def test_an_empty_first_generation_file_is_an_empty_store(path):
    path.parent.mkdir()
    path.write_text("{}")
    assert JsonFileJobStore(path).load() == ()


@pytest.mark.parametrize("read", [JsonFileJobStore.load, JsonFileJobStore.summaries])
def test_a_malformed_record_is_named_with_its_place_however_it_is_read(filled, read):
    filled.write_text(filled.read_text().replace('"batch_index":1', '"batch_index":"one"', 1))
    with pytest.raises(TrackingError, match=r"job 'job-000000000001': batches\[1\]\.batch_index is not a whole number"):
        read(JsonFileJobStore(filled))


@pytest.mark.parametrize("read", [JsonFileJobStore.load, JsonFileJobStore.summaries])
def test_an_id_that_is_none_of_ours_is_refused_however_it_is_read(filled, read):
    filled.write_text(filled.read_text().replace("job-000000000001", "../../etc"))
    with pytest.raises(TrackingError, match="its id is not one of ours"):
        read(JsonFileJobStore(filled))


def test_a_list_reads_a_first_generation_file_too(first_generation):
    store = JsonFileJobStore(first_generation)
    assert store.summaries() == store.load()
