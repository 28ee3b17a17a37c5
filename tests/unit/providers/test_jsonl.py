from hypothesis import given
from hypothesis import strategies as st

from batchwright.providers.jsonl import read_line, read_results, split_lines
from batchwright.result import FailureKind, Result, ResultStatus


def decode(document):
    return Result(custom_id=document["id"], status=ResultStatus.SUCCEEDED, text=document.get("text"))


def none_is(line):
    """Leave every line to `decode`."""
    del line


@given(st.lists(st.binary(max_size=30).filter(lambda b: b"\n" not in b)), st.integers(1, 7), st.booleans())
def test_lines_are_the_same_however_the_bytes_are_cut(lines, size, ended):
    body = b"\n".join(lines) + (b"\n" if ended else b"")
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    assert list(split_lines(chunks)) == [line for line in lines if line.strip()]


def test_only_the_newline_byte_ends_a_line():
    text = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\rh"
    assert list(split_lines([text.encode() + b"\nnext"])) == [text.encode(), b"next"]


def test_a_broken_line_is_a_malformed_result_and_the_next_is_read():
    results = list(read_results([b'{"id": "a"}\n{"id": \n[1]\n\xff\n{"id": "b"}'], decode, plain=none_is))
    assert [result.custom_id for result in results] == ["a", None, None, None, "b"]
    assert [result.failure.kind for result in results[1:4]] == [FailureKind.MALFORMED] * 3
    assert all(result.failure.retryable for result in results[1:4])


def test_a_usual_line_is_not_decoded_once_more():
    def usual(line):
        return Result(custom_id="usual", status=ResultStatus.SUCCEEDED) if line == b"usual" else None

    results = read_results([b'usual\n{"id": "a"}\nusual'], decode, plain=usual)
    assert [result.custom_id for result in results] == ["usual", "a", "usual"]


def test_what_the_transport_raises_is_not_swallowed():
    def cut():
        yield b'{"id": "a"}\n{"id'
        raise ConnectionError("cut")

    results = read_results(cut(), decode, plain=none_is)
    assert next(results).custom_id == "a"
    try:
        next(results)
    except ConnectionError:
        return
    raise AssertionError("the cut must be known")


def test_a_carriage_return_before_the_newline_does_no_harm():
    assert read_line(b'{"id": "a"}\r', decode).custom_id == "a"
