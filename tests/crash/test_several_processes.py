"""Four processes that create and fetch in loops on one workspace."""

import pytest

pytestmark = pytest.mark.timeout(300)


def test_four_processes_send_each_batch_once_and_no_file_is_ever_torn(programs, shown):
    figures = programs.figures(programs.start("crowd", "openai", "--seconds", 5))
    shown("{rounds} rounds of 4 processes in {busy} s, {jobs} jobs, {readings} readings".format(**figures))
    assert figures["violations"] == []
    assert figures["jobs"] >= 4
    assert figures["rounds"] > 4
    assert figures["readings"] > 100
