"""Tokens guessed from length, corrected by what answers really used."""

import pytest

from batchwright.live.engine.sizing import TokenEstimator
from batchwright.request import DocumentPart, ImagePart, Message, Params, Request
from batchwright.usage import Usage


def request(text: str, *, max_output_tokens: int | None = 0) -> Request:
    return Request(custom_id="r", messages=(Message.text(text),), params=Params(max_output_tokens=max_output_tokens))


def test_the_first_guess_goes_by_the_characters() -> None:
    assert TokenEstimator().estimate(request("x" * 4000)) == pytest.approx(1000, abs=3)


def test_the_system_text_pictures_and_documents_count() -> None:
    plain = request("x")
    full = Request(
        custom_id="r",
        system="s" * 400,
        messages=(
            Message(
                parts=(
                    ImagePart(data=b"i", media_type="image/png"),
                    DocumentPart(data=b"d" * 50_000, media_type="application/pdf"),
                )
            ),
        ),
        params=Params(max_output_tokens=0),
    )

    assert TokenEstimator().estimate(full) - TokenEstimator().estimate(plain) == pytest.approx(2100, abs=5)


def test_it_learns_what_this_text_and_these_answers_really_take() -> None:
    estimator = TokenEstimator()
    asked = request("字" * 4000, max_output_tokens=None)
    for _ in range(20):
        estimator.learn(asked, Usage(input_tokens=4000, output_tokens=50))

    assert estimator.estimate(asked) == pytest.approx(4050, rel=0.01)


def test_it_follows_a_change_and_one_odd_answer_does_not_upset_it() -> None:
    estimator = TokenEstimator()
    asked = request("x" * 400, max_output_tokens=None)
    for _ in range(200):
        estimator.learn(asked, Usage(input_tokens=100, output_tokens=100))
    estimator.learn(asked, Usage(input_tokens=100, output_tokens=2100))
    assert estimator.estimate(asked) == pytest.approx(300, abs=5)

    for _ in range(200):
        estimator.learn(asked, Usage(input_tokens=200, output_tokens=100))
    assert estimator.estimate(asked) == pytest.approx(300, abs=5)


def test_the_most_a_request_may_write_bounds_what_it_is_expected_to() -> None:
    estimator = TokenEstimator()
    unlimited = estimator.estimate(request("x", max_output_tokens=None))

    assert estimator.estimate(request("x", max_output_tokens=5)) < unlimited


def test_an_answer_without_usage_teaches_nothing() -> None:
    estimator = TokenEstimator()
    asked = request("x" * 400)
    before = estimator.estimate(asked)
    estimator.learn(asked, Usage())

    assert estimator.estimate(asked) == before


def test_an_empty_request_has_a_size() -> None:
    estimator = TokenEstimator()
    estimator.learn(request(""), Usage(input_tokens=5))

    assert estimator.estimate(request("")) >= 1
