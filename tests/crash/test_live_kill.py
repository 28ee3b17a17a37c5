"""kill -9 of `batchwright run` at random moments."""

import pytest

PROVIDERS = ("openai", "anthropic", "gemini")
KILLS = 10

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def runs(programs):
    return programs.for_each_provider("live_kills", "--kills", KILLS, "--batch-size", 2, "--latency", 0.1)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_ten_kills_at_random_moments_lose_no_answer_and_ask_none_again(provider, runs, programs, shown):
    figures = programs.figures(runs(provider))
    shown(
        "{provider}: {kills} kills, {between} with some of {issues} issues answered, {lost} of {calls} calls a run "
        "lost in flight, {most_lost} at most by one kill, {seconds} s".format(**figures)
    )
    assert figures["violations"] == {}
    assert figures["kills"] >= KILLS
    assert figures["between"] >= 0.6 * KILLS
    assert figures["most_lost"] <= figures["at_once"]
