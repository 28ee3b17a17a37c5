"""kill -9 of the real command line at random moments."""

import pytest

PROVIDERS = ("openai", "anthropic", "gemini")
KILLS = 10

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def runs(programs):
    return programs.for_each_provider("kills", "--kills", KILLS)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_ten_kills_at_random_moments_lose_nothing_and_pay_nothing_twice(provider, runs, programs, shown):
    figures = programs.figures(runs(provider))
    shown("{provider}: {kills} kills, {between} between planned and collected, {seconds} s".format(**figures))
    assert figures["violations"] == {}
    assert figures["kills"] >= KILLS
    assert figures["between"] >= 0.6 * KILLS
