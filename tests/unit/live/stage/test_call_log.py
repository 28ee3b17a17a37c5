import json

import pytest

from batchwright import LLMRequest, LLMResult
from batchwright.live.stage.call_log import CallLog, file_name
from batchwright.request import DocumentPart, Message, OutputSchema, Request

SENT = Request(custom_id="page-1", messages=(Message.text("What is it?"),))


@pytest.mark.parametrize("name", ["page_0001", "a-b.c", "7"])
def test_a_plain_id_is_the_files_name(name):
    assert file_name(name) == f"{name}.json"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "..", ".hidden", "", "a b", "a/b", "é", "x" * 300, "\ud800"]
)
def test_any_other_id_is_made_safe(name):
    made = file_name(name)
    assert "/" not in made
    assert not made.startswith(".")
    assert len(made) <= 120
    made.encode("ascii")


def test_two_ids_never_share_a_file():
    names = ["a b", "a_b", "a/b", "a?b", "..a", "a", "x" * 200, "x" * 201]
    assert len({file_name(name) for name in names}) == len(names)


def written(tmp_path, sent=SENT, **result):
    result = {"request": LLMRequest("page_0001"), "success": True, "text": "{}", **result}
    path = CallLog(tmp_path / "logs").write("Labels", sent, LLMResult(**result))
    assert list((tmp_path / "logs").iterdir()) == [path]
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_schema_and_a_document_are_told(tmp_path):
    sent = Request(
        custom_id="page-1",
        messages=(Message(parts=(DocumentPart(data=b"%PDF-1", media_type="application/pdf"),)),),
        output_schema=OutputSchema(name="labels", schema={"type": "object"}),
    )
    request = written(tmp_path, sent)["request"]
    assert request["schema"] == {"name": "labels", "schema": {"type": "object"}}
    assert request["messages"][0]["parts"][0]["bytes"] == 6


def test_half_a_surrogate_pair_is_written_as_a_question_mark(tmp_path):
    assert written(tmp_path, text="\ud83d")["answer"] == "?"


def test_asked_again_the_file_is_replaced(tmp_path):
    written(tmp_path, text="old")
    assert written(tmp_path, text="new")["answer"] == "new"
