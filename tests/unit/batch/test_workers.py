import threading
import time

import pytest

from batchwright.batch.workers import in_parallel


def test_every_item_comes_back_with_its_outcome():
    assert dict(in_parallel(lambda item: item * item, range(20))) == {item: item * item for item in range(20)}


def test_no_items_is_no_work():
    assert list(in_parallel(lambda item: item, [])) == []


def test_no_more_than_the_given_number_run_at_once():
    lock = threading.Lock()
    running, most = 0, 0
    gate = threading.Barrier(3, timeout=10)

    def work(_item):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        gate.wait()
        with lock:
            running -= 1

    list(in_parallel(work, range(9), workers=3))
    assert most == 3


def test_an_exception_is_raised_to_the_caller():
    def work(item):
        if item == 3:
            raise ValueError("three")
        return item

    with pytest.raises(ValueError, match="three"):
        list(in_parallel(work, range(10), workers=1))


def test_leaving_early_never_waits_for_a_hung_call():
    hung = threading.Event()
    release = threading.Event()

    def work(item):
        if item == "hangs":
            hung.set()
            release.wait(30)
        else:
            hung.wait(30)
        return item

    for item, _ in in_parallel(work, ["hangs", "quick"], workers=2):
        assert item == "quick"
        break
    assert hung.is_set()
    assert any(thread.daemon and thread.name.startswith("batchwright-") for thread in threading.enumerate())
    release.set()


def test_at_the_given_moment_the_loop_ends_without_the_call_that_hangs():
    release = threading.Event()

    def work(item):
        if item == "hangs":
            release.wait(30)
        return item

    began = time.monotonic()
    assert [item for item, _ in in_parallel(work, ["quick", "hangs"], until=began + 0.2)] == ["quick"]
    assert time.monotonic() - began < 10
    release.set()
