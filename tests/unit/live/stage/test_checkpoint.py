import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from uuid import UUID

import pytest

from batchwright import Checkpoint
from batchwright.errors import InputError

HEAD = '{"batchwright_checkpoint":1}\n'


@pytest.fixture
def file(tmp_path):
    return tmp_path / "stages" / "checkpoint.jsonl"


def test_what_was_marked_is_not_left_and_the_order_stays(file):
    checkpoint = Checkpoint(file)
    checkpoint.mark_completed(3)
    checkpoint.mark_completed(1)
    assert checkpoint.remaining(range(5)) == [0, 2, 4]
    assert Checkpoint(str(file)).remaining([4, 3, 2, 1, 0]) == [4, 2, 0]
    assert Checkpoint(file).is_completed(1)
    assert not Checkpoint(file).is_completed(2)


def test_nothing_is_made_before_the_first_mark(file):
    assert Checkpoint(file).remaining([1, 2]) == [1, 2]
    assert not file.parent.exists()


def test_marking_again_adds_nothing(file):
    checkpoint = Checkpoint(file)
    for _ in range(3):
        checkpoint.mark_completed("a")
    Checkpoint(file).mark_completed("a")
    assert file.read_text() == HEAD + '{"stage":"","page":"a"}\n'


def test_a_number_and_its_text_are_two_pages_and_a_path_is_its_text(file):
    checkpoint = Checkpoint(file)
    for page in (1, Path("scans/7.png"), ("book", 2), UUID(int=5)):
        checkpoint.mark_completed(page)
    again = Checkpoint(file)
    assert again.remaining([1, "1", "scans/7.png", ["book", 2], str(UUID(int=5)), True]) == ["1", True]


def test_a_number_of_another_library_is_a_number(file):
    class Int64:
        def __index__(self):
            return 7

    Checkpoint(file).mark_completed(Int64())
    assert Checkpoint(file).is_completed(7)


def test_what_json_cannot_say_is_no_page(file):
    with pytest.raises(TypeError, match="a page is a number, a text or a path"):
        Checkpoint(file).mark_completed(object())


def test_stages_share_a_file_and_not_their_pages(file):
    checkpoint = Checkpoint(file)
    with checkpoint.during("Stage 1"):
        checkpoint.mark_completed(1)
        checkpoint.mark_completed(2)
        assert checkpoint.remaining([1, 2, 3]) == [3]
    assert checkpoint.remaining([1, 2, 3]) == [3]
    checkpoint.mark_completed(1, stage="Stage 2")
    again = Checkpoint(file)
    assert again.stages == ("Stage 1", "Stage 2")
    assert again.remaining([1, 2, 3], stage="Stage 2") == [2, 3]
    assert again.remaining([1, 2, 3], stage="Stage 3") == [1, 2, 3]
    with pytest.raises(ValueError, match="'Stage 1', 'Stage 2'"):
        again.remaining([1])


def test_a_page_marked_outside_of_every_stage_counts_for_all(file):
    checkpoint = Checkpoint(file)
    checkpoint.mark_completed(1)
    checkpoint.mark_completed(2, stage="Stage 1")
    assert checkpoint.remaining([1, 2, 3], stage="Stage 1") == [3]
    assert checkpoint.remaining([1, 2, 3], stage="Stage 2") == [2, 3]


@pytest.mark.parametrize("cut", range(1, len('{"stage":"","page":12}\n')))
def test_a_line_that_a_crash_cut_off_costs_its_own_page_only(file, cut):
    first = Checkpoint(file)
    first.mark_completed(11)
    first.mark_completed(12)
    first.close()
    with file.open("r+b") as torn:
        torn.truncate(file.stat().st_size - cut)
    second = Checkpoint(file)
    assert second.remaining([11, 12]) == ([] if cut == 1 else [12])
    second.mark_completed(13)
    second.mark_completed(14)
    assert Checkpoint(file).remaining([11, 12, 13, 14]) == ([] if cut == 1 else [12])


@pytest.mark.parametrize("kept", range(len(HEAD)))
def test_a_head_that_a_crash_cut_off_is_written_again(file, kept):
    file.parent.mkdir()
    file.write_text(HEAD[:kept])
    Checkpoint(file).mark_completed(1)
    assert file.read_text() == HEAD + '{"stage":"","page":1}\n'


@pytest.mark.parametrize("content", ['{"pages": [1, 2]}', "1\n2\n", "\n", "\x00\x00\x00\x00"])
def test_another_file_is_refused_and_left_as_it_is(file, content):
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(InputError, match="not a checkpoint"):
        Checkpoint(file)
    assert file.read_text() == content


def test_a_file_of_a_newer_version_is_refused(file):
    file.parent.mkdir()
    file.write_text('{"batchwright_checkpoint":2}\n{"done":[1]}\n')
    with pytest.raises(InputError, match="newer version"):
        Checkpoint(file)


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        Checkpoint(tmp_path)


def test_a_place_where_nothing_can_be_written_is_said_so_and_the_page_is_not_done(file):
    checkpoint = Checkpoint(file)
    file.parent.write_text("a file stands where the folder should be")
    with pytest.raises(InputError, match="cannot be written"):
        checkpoint.mark_completed(2)
    assert checkpoint.remaining([2]) == [2]


def test_a_full_disk_leaves_the_page_to_be_done_and_the_file_whole():
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    checkpoint = Checkpoint.__new__(Checkpoint)
    checkpoint.file, checkpoint._done, checkpoint._lock = full, {}, threading.Lock()
    checkpoint._handle = os.open(full, os.O_WRONLY)
    with pytest.raises(InputError, match="cannot be written: No space left"):
        checkpoint.mark_completed(1)
    assert not checkpoint.is_completed(1)
    assert checkpoint._handle is None


def test_threads_mark_without_losing_a_page(file):
    checkpoint = Checkpoint(file)
    threads = [
        threading.Thread(target=lambda n=n: [checkpoint.mark_completed(n * 25 + k) for k in range(25)])
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Checkpoint(file).remaining(range(200)) == []


MARKING = """\
import sys
from batchwright import Checkpoint
checkpoint = Checkpoint(sys.argv[1])
for page in range(int(sys.argv[2]), 400, 2):
    checkpoint.mark_completed(page)
    print(page, flush=True)
"""


def start(file, first):
    return subprocess.Popen([sys.executable, "-c", MARKING, str(file), str(first)], stdout=subprocess.PIPE)


def test_processes_that_begin_together_lose_nothing(file):
    processes = [start(file, first) for first in (0, 1)]
    assert [process.communicate(timeout=60) and process.returncode for process in processes] == [0, 0]
    assert Checkpoint(file).remaining(range(400)) == []
    assert all(json.loads(line) for line in file.read_text().splitlines())


def test_what_was_marked_before_a_kill_is_marked(file):
    process = start(file, 0)
    told = [int(process.stdout.readline()) for _ in range(20)]
    process.kill()
    told += [int(line) for line in process.communicate(timeout=60)[0].splitlines()]
    assert Checkpoint(file).remaining(told) == []
