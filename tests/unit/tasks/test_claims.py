import subprocess
import sys

import pytest

from batchwright.errors import TrackingError
from batchwright.tasks.claims import DocumentClaims

KEY = ("Geography", "a.md")
OTHER = ("French", "a.md")

_HOLD = """
import sys
from pathlib import Path
from batchwright.tasks.claims import DocumentClaims
claims = DocumentClaims(Path(sys.argv[1]))
print(claims.take(("Geography", "a.md")), flush=True)
sys.stdin.read()
"""


def test_a_document_is_claimed_by_one_at_a_time(tmp_path):
    with DocumentClaims(tmp_path) as mine, DocumentClaims(tmp_path) as theirs:
        assert mine.take(KEY)
        assert not theirs.take(KEY)
        assert theirs.take(OTHER)
        mine.release(KEY)
        assert theirs.take(KEY)


def test_leaving_frees_everything(tmp_path):
    with DocumentClaims(tmp_path) as mine:
        assert mine.take(KEY)
        assert mine.take(OTHER)
    with DocumentClaims(tmp_path) as theirs:
        assert theirs.busy([KEY, OTHER]) == frozenset()
        assert theirs.take(KEY)


def test_a_look_tells_who_is_busy_and_takes_nothing(tmp_path):
    with DocumentClaims(tmp_path) as mine, DocumentClaims(tmp_path) as theirs:
        mine.take(KEY)
        for claims in (mine, theirs):
            assert claims.busy([KEY, OTHER]) == {KEY}
        assert theirs.take(OTHER)


def test_releasing_what_is_not_held_changes_nothing(tmp_path):
    with DocumentClaims(tmp_path) as mine:
        mine.release(KEY)
        assert mine.take(KEY)


def test_the_claim_of_a_process_ends_with_it_however_it_ends(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder, DocumentClaims(tmp_path) as mine:
        assert holder.stdout.readline() == "True\n"
        assert not mine.take(KEY)
        holder.kill()
        holder.wait()
        assert mine.take(KEY)


def test_a_claim_that_cannot_be_made_is_told_with_its_document(tmp_path):
    with DocumentClaims(tmp_path / "missing") as mine, pytest.raises(TrackingError, match=r"Geography/a\.md"):
        mine.take(KEY)
