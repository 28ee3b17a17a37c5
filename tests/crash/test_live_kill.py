"""kill -9 of `batchwright run` at random moments, at one provider: `scripts/soak live` tries all three on a corpus."""

import pytest

KILLS = 10

pytestmark = pytest.mark.timeout(600)


def test_ten_kills_at_random_moments_lose_no_answer_and_ask_none_again(programs, shown):
    words = ("--kills", KILLS, "--batch-size", 2, "--latency", 0.1)
    figures = programs.figures(programs.start("live_kills", "openai", *words))
    shown(
        "{provider}: {kills} kills, {between} with some of {issues} issues answered; of {calls} calls a run, {lost} "
        "were lost in flight by all kills, {most_lost} at most by one; {seconds} s".format(**figures)
    )
    assert figures["violations"] == {}
    assert figures["kills"] >= KILLS
    assert figures["between"] >= 0.6 * KILLS
    assert figures["most_lost"] <= figures["at_once"]
