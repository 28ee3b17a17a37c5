import threading

import pytest

from batchwright.errors import ClaimedJobError, TrackingError
from batchwright.result import Result, ResultStatus
from batchwright.tracking.payloads import JobFolders
from batchwright.tracking.result_codec import encode_result

JOB_ID = "job-01kafz8w3xyz"
RESULTS = [
    Result(custom_id=f"{JOB_ID}-a1-{number}", status=ResultStatus.SUCCEEDED, text="line\u2028separator")
    for number in range(3)
]


@pytest.fixture
def folders(tmp_path):
    return JobFolders(tmp_path / "data" / "batch_jobs.json")


def test_folders_lie_beside_the_tracking_file(folders, tmp_path):
    assert folders.folder(JOB_ID) == tmp_path / "data" / "batch_jobs" / JOB_ID
    assert folders.requests_path(JOB_ID, ".json").name == "requests.json"
    assert folders.results_path(JOB_ID).name == "results.jsonl"


@pytest.mark.parametrize("job_id", ["..", "job-../x", "/etc", "", "job-01K", "job-a\n"])
def test_a_name_that_could_leave_the_folder_is_refused(folders, job_id):
    with pytest.raises(TrackingError, match="is not a job id"):
        folders.folder(job_id)


def test_a_payload_appears_whole_under_its_name(folders):
    path = folders.requests_path(JOB_ID)
    with folders.writer(path) as writer:
        writer.write(b"one\n")
        assert not path.exists()
        writer.write(b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"
    assert [item.name for item in path.parent.iterdir()] == ["requests.jsonl"]


def test_a_payload_that_fails_midway_leaves_the_earlier_one(folders):
    path = folders.requests_path(JOB_ID)
    with folders.writer(path) as writer:
        writer.write(b"earlier")

    def fail() -> None:
        with folders.writer(path) as writer:
            writer.write(b"half")
            raise ConnectionResetError("the caller's own")

    with pytest.raises(ConnectionResetError, match="the caller's own"):
        fail()
    assert path.read_bytes() == b"earlier"
    assert [item.name for item in path.parent.iterdir()] == ["requests.jsonl"]


def test_a_part_left_by_a_killed_process_is_written_over(folders):
    path = folders.requests_path(JOB_ID)
    path.parent.mkdir(parents=True)
    path.with_name("requests.jsonl.part").write_bytes(b"much longer than the new one")
    with folders.writer(path) as writer:
        writer.write(b"new")
    assert path.read_bytes() == b"new"


def test_payloads_are_kept_out_of_version_control(folders):
    with folders.writer(folders.requests_path(JOB_ID)):
        pass
    assert (folders.root / ".gitignore").read_text() == "*\n"


def test_a_link_in_place_of_a_job_folder_is_refused(folders, tmp_path):
    folders.root.mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folders.folder(JOB_ID).symlink_to(elsewhere)
    with pytest.raises(TrackingError, match="is a symbolic link"), folders.writer(folders.requests_path(JOB_ID)):
        pytest.fail("written through a link")
    assert list(elsewhere.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(folders):
    folders.root.parent.mkdir()
    folders.root.write_text("a file in the way")
    with pytest.raises(TrackingError, match=f"cannot make .*{JOB_ID}"), folders.claim(JOB_ID):
        pytest.fail("claimed")


def test_results_come_back_line_by_line(folders):
    with folders.writer(folders.results_path(JOB_ID)) as writer:
        for result in RESULTS:
            writer.write(encode_result(result))
    assert list(folders.results(JOB_ID)) == RESULTS


def test_a_cut_off_results_file_is_named_with_its_line(folders):
    with folders.writer(folders.results_path(JOB_ID)) as writer:
        writer.write(encode_result(RESULTS[0]) + encode_result(RESULTS[1])[:20])
    stored = folders.results(JOB_ID)
    assert next(stored) == RESULTS[0]
    with pytest.raises(TrackingError, match=r"results.jsonl line 2: not a result: .*fetch the job again"):
        next(stored)


def test_missing_results_are_named(folders):
    with pytest.raises(TrackingError, match=r"no stored results at .*results.jsonl; fetch the job again"):
        next(folders.results(JOB_ID))


def test_a_claim_is_held_by_one_thread_and_freed_at_its_end(folders):
    assert not folders.is_claimed(JOB_ID)
    with folders.claim(JOB_ID):
        assert folders.is_claimed(JOB_ID)
        with pytest.raises(ClaimedJobError), folders.claim(JOB_ID):
            pytest.fail("claimed twice")
        assert folders.is_claimed(JOB_ID)
    assert not folders.is_claimed(JOB_ID)


def test_a_claim_is_freed_when_its_block_raises(folders):
    with pytest.raises(LookupError), folders.claim(JOB_ID):
        raise LookupError
    assert not folders.is_claimed(JOB_ID)


def test_onlookers_never_keep_a_claim_from_being_taken(folders):
    with folders.claim(JOB_ID):
        pass
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            folders.is_claimed(JOB_ID)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(300):
            with folders.claim(JOB_ID):
                pass
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_lock_files_lie_where_nothing_is_committed_and_no_job_can_be(folders):
    assert folders.locks.parent == folders.root
    with pytest.raises(TrackingError):
        folders.folder(folders.locks.name)


def test_only_one_at_a_time_finds_the_work_undone(folders):
    done: list[int] = []

    def plan(number: int) -> None:
        with folders.planning():
            if not done:
                done.append(number)

    threads = [threading.Thread(target=plan, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 1
