import pytest

from batchwright.job import BatchRef
from batchwright.live.documents.questions import Question, retries
from batchwright.result import Failure, FailureKind, FinishReason, Result, ResultStatus

BATCH = BatchRef(group="g", document="d", index=3, item_ids=tuple(range(5)))


def answered(finish_reason=FinishReason.STOP):
    return Result(custom_id="live-0", status=ResultStatus.SUCCEEDED, text="[]", finish_reason=finish_reason)


def failed(kind):
    return Result(custom_id="live-0", status=ResultStatus.ERRORED, failure=Failure(kind=kind, message="no"))


def again(result, left, *, tries=0, max_retries=2):
    question = Question(batch=BATCH, tries=tries)
    wanted = retries(question, result, left, complaint="half of it is missing", max_retries=max_retries)
    return [(retry.item_ids, retry.complaint) for retry in wanted]


def test_a_whole_answer_is_not_asked_again():
    assert again(answered(), []) == []


def test_items_without_a_row_are_asked_again_on_their_own_with_the_complaint():
    assert again(answered(), [1, 4]) == [((1, 4), "half of it is missing")]


def test_they_are_asked_again_as_often_as_was_wished():
    assert again(answered(), [1], tries=1) != []
    assert again(answered(), [1], tries=2) == []
    assert again(answered(), [1], max_retries=0) == []


def test_an_answer_that_was_cut_is_asked_again_in_halves():
    assert again(answered(FinishReason.LENGTH), [0, 1, 2, 3, 4]) == [((0, 1, 2), None), ((3, 4), None)]


def test_of_a_single_item_there_is_no_half():
    assert again(answered(FinishReason.LENGTH), [2]) == [((2,), "half of it is missing")]


@pytest.mark.parametrize("kind", list(FailureKind))
def test_a_failed_request_is_not_asked_again(kind):
    assert again(failed(kind), [0, 1, 2, 3, 4]) == []
