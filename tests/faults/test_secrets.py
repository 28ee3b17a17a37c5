"""No key in any file, log, message or output, whatever goes wrong: a key that looks like none, so that only knowing it
can keep it out."""

import pytest

PROVIDERS = ("openai", "anthropic", "gemini")
KEY = "sentinelThatLooksLikeNoKey0123456789"
FAULTS = (
    {"name": "drop_before", "on": "create", "times": 1},
    {"name": "drop_during", "on": "get", "times": 1},
    {"name": "body_cut", "on": "download"},
    {"name": "rate_limit_seconds", "on": "create", "times": 1},
    {"name": "gateway_error", "on": "get"},
    {"name": "server_error", "on": "create"},
    {"name": "too_large", "on": "create"},
    {"name": "credit_exhausted", "on": "create"},
    {"name": "not_found", "on": "get"},
    {"name": "invalid_json_line"},
)


@pytest.mark.parametrize("where", ["environment", ".env"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_key_is_in_no_file_and_in_no_output(provider, where, open_desk, tmp_path):
    desk = open_desk(provider, key=KEY, where=where)
    desk.options = ("--verbose", "--log-file", "data/log.jsonl")
    for fault in FAULTS:
        desk.strike(fault)
        desk.create()
        desk.watch(1, 1)
        assert desk.struck
    desk.strike()
    desk.bring_home()
    assert desk.complete
    assert desk.keys == {KEY}
    assert KEY not in desk.said
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".env"]
    assert {path.name for path in files} >= {"batch_jobs.json", "log.jsonl", "results.jsonl", "fieldwork-handbook.csv"}
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
