import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchwright.errors import TrackingError
from batchwright.tracking.state import DocumentProgress, StateFile, completed_batches

GUIDE = """{
  "version": "1.0",
  "subjects": {
    "Geography": {
      "gcse-geography.md": {
        "completed_batches": [0, 1, 2],
        "total_issues": 45
      }
    }
  }
}
"""


def progress(group: str, document: str, *completed: int, total: int = 45) -> DocumentProgress:
    return DocumentProgress(group=group, document=document, completed_batches=completed, total_items=total)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "state.json"


def test_the_file_is_the_guides_to_the_letter(path):
    StateFile(path).record([progress("Geography", "gcse-geography.md", 0, 1, 2)])
    assert path.read_text() == GUIDE


def test_other_documents_and_unknown_fields_stay(path):
    StateFile(path).record([progress("Art", "a.md", 0), progress("Geography", "g.md", 0)])
    state = json.loads(path.read_bytes())
    state["subjects"]["Art"]["a.md"]["note"] = "mine"
    state["by"] = "hand"
    path.write_text(json.dumps(state))
    StateFile(path).record([progress("Geography", "g.md", 0, 1), progress("Geography", "new.md")])
    assert json.loads(path.read_bytes()) == {
        "version": "1.0",
        "by": "hand",
        "subjects": {
            "Art": {"a.md": {"completed_batches": [0], "total_issues": 45, "note": "mine"}},
            "Geography": {
                "g.md": {"completed_batches": [0, 1], "total_issues": 45},
                "new.md": {"completed_batches": [], "total_issues": 45},
            },
        },
    }


def test_recording_the_same_again_does_not_touch_the_file(path):
    StateFile(path).record([progress("Art", "a.md", 0)])
    before = path.stat()
    StateFile(path).record([progress("Art", "a.md", 0)])
    assert path.stat().st_ino == before.st_ino


def test_no_documents_make_an_empty_state(path):
    StateFile(path).record([])
    assert json.loads(path.read_bytes()) == {"version": "1.0", "subjects": {}}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is damaged: EOF while parsing an object at line 1"),
        ("", "is damaged"),
        ("[]", "has another shape"),
        ('{"version": "1.0", "subjects": {"Art": {"a.md": []}}}', "has another shape"),
        ('{"version": "2.0", "subjects": {}}', "has version '2.0', this batchwright knows '1.0'"),
        ('{"subjects": {}}', "has version None"),
    ],
)
def test_a_file_that_is_not_understood_is_named_and_kept(path, content, reason):
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(TrackingError) as caught:
        StateFile(path).record([progress("Art", "a.md", 0)])
    assert f"the state file {path} {reason}" in str(caught.value)
    assert "kept as it is" in str(caught.value)
    assert path.read_text() == content


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(TrackingError, match=r"cannot write the state file .*state.json"):
        StateFile(tmp_path / "data" / "state.json").record([])


@pytest.mark.parametrize(
    ("total", "durable", "size", "expected"),
    [
        (25, range(25), 10, (0, 1, 2)),
        (25, range(20), 10, (0, 1)),
        (25, range(20, 25), 10, (2,)),
        (25, [*range(9), 24], 10, ()),
        (10, range(10), 10, (0,)),
        (0, [], 10, ()),
        (3, [0, 2, 99, -1], 1, (0, 2)),
        (2, [0, 0, 0], 2, ()),
    ],
)
def test_a_batch_is_complete_when_every_item_has_a_row(total, durable, size, expected):
    assert completed_batches(total, durable, size) == expected


@given(st.integers(0, 60), st.sets(st.integers(0, 70)), st.integers(1, 12))
def test_completeness_is_what_counting_item_by_item_says(total, durable, size):
    batches = [range(start, min(start + size, total)) for start in range(0, total, size)]
    expected = tuple(index for index, items in enumerate(batches) if durable.issuperset(items))
    assert completed_batches(total, durable, size) == expected


@pytest.mark.parametrize("size", [0, -5])
def test_a_batch_size_below_one_is_refused(size):
    with pytest.raises(ValueError, match=f"at least 1, not {size}"):
        completed_batches(3, [], size)
