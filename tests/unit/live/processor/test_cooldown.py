"""The shared pause and the slow start, as pure steps."""

from hypothesis import given
from hypothesis import strategies as st

from batchwright.live.processor.cooldown import Cooldown, SlowStart, Verdict


def test_the_first_refusal_begins_a_cooldown_and_the_rest_of_its_wave_joins():
    cooldown = Cooldown(max_cooldowns=9)
    assert [cooldown.refused(0) for _ in range(50)] == [Verdict.BEGIN] + [Verdict.JOIN] * 49
    assert (cooldown.epoch, cooldown.consecutive) == (1, 1)


def test_a_straggler_with_an_old_ticket_begins_none_after_the_cooldown():
    cooldown = Cooldown(max_cooldowns=9)
    cooldown.refused(0)
    cooldown.resume()
    assert cooldown.refused(0) is Verdict.JOIN
    assert cooldown.refused(1) is Verdict.BEGIN


def test_a_cooldown_is_made_longer_and_never_shorter():
    cooldown = Cooldown(max_cooldowns=9)
    cooldown.last(100, 60)
    cooldown.last(110, 20)
    assert cooldown.until == 160
    cooldown.last(120, 90)
    assert cooldown.until == 210


def test_only_a_success_of_the_present_epoch_resets_the_count():
    cooldown = Cooldown(max_cooldowns=9)
    cooldown.refused(0)
    cooldown.resume()
    cooldown.succeeded(0)
    assert cooldown.consecutive == 1
    cooldown.succeeded(1)
    assert cooldown.consecutive == 0


def test_it_is_given_up_when_as_many_pauses_as_allowed_brought_nothing():
    cooldown = Cooldown(max_cooldowns=2)
    for ticket in (0, 1):
        assert cooldown.refused(ticket) is Verdict.BEGIN
        cooldown.resume()
    assert not cooldown.given_up
    assert cooldown.refused(2) is Verdict.GIVE_UP
    assert cooldown.given_up


@given(st.lists(st.sampled_from(["send", "refuse", "succeed", "resume"]), max_size=60))
def test_no_order_of_events_makes_two_cooldowns_of_one_wave(events):
    """Every cooldown is begun by a request that was sent after the one before it had ended."""
    cooldown = Cooldown(max_cooldowns=1000)
    flying, ended = [], [0]
    for event in events:
        if event == "send" and not cooldown.cooling:
            flying.append(cooldown.epoch)
        elif event == "refuse" and flying:
            ticket = flying.pop(0)
            if cooldown.refused(ticket) is Verdict.BEGIN:
                assert ticket == ended[-1]
                ended.append(cooldown.epoch)
        elif event == "succeed" and flying:
            cooldown.succeeded(flying.pop(0))
        elif event == "resume":
            cooldown.resume()
    assert cooldown.epoch == len(ended) - 1


def shrinking(number):
    return (True, 4.0 - number) if number < 4 else (False, 0.0)


def test_each_request_of_a_slow_start_gets_its_own_moment():
    start = SlowStart(shrinking)
    start.begin(100)
    assert [100 + start.reserve(100) for _ in range(4)] == [104, 107, 109, 110]


def test_those_that_come_meanwhile_follow_one_by_one_at_the_last_delay():
    start = SlowStart(shrinking)
    start.begin(100)
    for _ in range(4):
        start.reserve(100)
    assert [101 + start.reserve(101) for _ in range(3)] == [111, 112, 113]
    assert start.active


def test_whoever_comes_after_the_last_counted_request_goes_at_once_and_it_all_ends_with_the_last_moment():
    start = SlowStart(shrinking)
    start.begin(100)
    for _ in range(5):
        start.reserve(100)
    assert start.reserve(110) == 0
    assert start.active, "one waits for its moment at 111"
    assert start.reserve(111) == 0
    assert not start.active


def test_a_moment_that_nobody_used_does_not_let_the_next_ones_bunch_up():
    start = SlowStart(lambda number: (number < 9, 2.0))
    start.begin(100)
    assert start.reserve(150) == 0
    assert start.reserve(150) == 2


def test_it_begins_anew_at_every_cooldowns_end():
    start = SlowStart(shrinking)
    start.begin(100)
    start.reserve(100)
    start.begin(200)
    assert start.reserve(200) == 4
    assert start.started == 1


def test_a_strategy_without_a_slow_start_holds_nobody_back():
    start = SlowStart(lambda _: (False, 99.0))
    start.begin(100)
    assert start.reserve(100) == 0
    assert not start.active
