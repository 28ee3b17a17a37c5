"""A create that takes effect late, a list that lags: found when it shows, never sent again while it may be there."""

import pytest

PROVIDERS = ("openai", "anthropic", "gemini")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module", params=PROVIDERS)
def provider(request):
    return request.param


@pytest.mark.parametrize("case", ["late_create", "list_lag"])
def test_jobs_that_show_within_the_grace_are_found_and_paid_once(provider, case, programs):
    figures = programs.figures(programs.start("late", provider, case))
    assert figures["first"] == figures["waited"] == ["submitting", "submitting"]
    assert figures["attempts"] == [1, 1]
    assert figures["violations"] == []


@pytest.mark.parametrize("case", ["late_create_beyond", "list_lag_beyond"])
def test_jobs_that_show_only_beyond_the_grace_are_not_sent_again_meanwhile_and_paid_once(provider, case, programs):
    figures = programs.figures(programs.start("late", provider, case))
    assert figures["first"] == figures["waited"] == ["submitting", "submitting"]
    fenced = case == "late_create_beyond" and provider != "anthropic"  # their late creates came to nothing
    assert figures["attempts"] == ([2, 2] if fenced else [1, 1])
    assert figures["violations"] == []


def test_a_list_that_does_not_show_a_job_known_to_exist_proves_nothing_however_long_it_lags(provider, programs):
    figures = programs.figures(programs.start("late", provider, "list_lag_with_a_witness_beyond"))
    assert figures["waited"] == ["in_progress", "submitting"]
    assert figures["attempts"] == [1, 1]
    assert figures["violations"] == []
