import pytest

from batchwright.errors import JobNotReadyError
from batchwright.providers.prompting import in_order, make_requests
from batchwright.request import TextPart
from batchwright.result import Result, ResultStatus


def answer(custom_id=None, position=None, text="x"):
    return Result(custom_id=custom_id, position=position, status=ResultStatus.SUCCEEDED, text=text)


def test_results_are_put_in_the_order_of_their_numbers():
    results = [answer(f"t-{n}") for n in (10, 2, 0, 1)]
    assert [r.custom_id for r in in_order(iter(results), 0)] == ["t-0", "t-1", "t-2", "t-10"]


def test_what_the_vendor_counts_and_did_not_return_is_missing():
    found = in_order(iter([answer("t-2"), answer("t-0")]), 4)
    assert [r.status for r in found] == [
        ResultStatus.SUCCEEDED,
        ResultStatus.MISSING,
        ResultStatus.SUCCEEDED,
        ResultStatus.MISSING,
    ]
    assert all(r.failure for r in found if not r.succeeded)


def test_the_first_of_two_answers_to_one_request_counts():
    assert [r.text for r in in_order(iter([answer("t-0", text="a"), answer("t-0", text="b")]), 1)] == ["a"]


def test_results_without_ids_go_by_position():
    results = [answer(position=1, text="b"), answer(position=0, text="a")]
    assert [r.text for r in in_order(iter(results), 2)] == ["a", "b"]


def test_ids_of_another_making_keep_the_order_they_came_in_and_huge_numbers_do_no_harm():
    results = [answer("row"), answer("other-99999999999")]
    assert [r.custom_id for r in in_order(iter(results), 2)] == ["other-99999999999", "row"]
    assert len(in_order(iter([answer("other-99999999999")]), 1)) == 1


def test_no_results_at_all_is_not_ready():
    with pytest.raises(JobNotReadyError):
        in_order(iter([]), 5)


def test_requests_are_numbered_and_strings_joined():
    first, second = make_requests([["a", "b"], "c"], "tag")
    assert (first.custom_id, second.custom_id) == ("tag-0", "tag-1")
    assert first.messages[0].parts == (TextPart(text="a\nb"),)
    assert second.messages[0].parts == (TextPart(text="c"),)
