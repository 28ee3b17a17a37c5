import json

import pytest

from batchwright.emulator import json_members
from batchwright.emulator.json_members import Member, members


@pytest.fixture(params=[1, 3, 7, 1 << 20])
def read(tmp_path, monkeypatch, request):
    monkeypatch.setattr(json_members, "_WINDOW", request.param)

    def read(text):
        path = tmp_path / "body.json"
        path.write_bytes(text.encode())
        return list(members(path, by_item="requests"))

    return read


def test_an_object_is_read_member_by_member_whatever_the_window(read):
    items = [{"a": 'x"]}\u2028 ,'}, 12, -1.5e3, "é\r\n", [], {}, None, True, [[1], {"requests": [2]}]]
    document = {"first": {"requests": [1]}, "requests": items, "last": 1234}
    for text in (json.dumps(document), json.dumps(document, indent=3, ensure_ascii=False) + "\r\n "):
        assert read(text) == [
            Member("first", {"requests": [1]}),
            Member("requests", []),
            *(Member("requests", item, is_item=True) for item in items),
            Member("last", 1234),
        ]


def test_an_empty_object_has_no_members(read):
    assert read(" {} ") == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"a"}',
        '{"a":1,}',
        '{"requests":[1,]}',
        '{"requests":[1',
        '{"requests":[1}',
        "{}x",
        "{1:2}",
        '{"a":}',
    ],
)
def test_malformed_text_is_refused(read, text):
    with pytest.raises(ValueError):
        read(text)
