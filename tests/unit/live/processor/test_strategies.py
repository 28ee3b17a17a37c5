"""How long the pauses are."""

import pytest

from batchwright.live.processor.settings import RateLimitConfig
from batchwright.live.processor.strategies import ExponentialBackoffStrategy, FixedDelayStrategy


def test_the_defaults_are_those_of_the_settings():
    strategy = ExponentialBackoffStrategy()
    assert strategy.on_rate_limit(0, 1) == RateLimitConfig().cooldown_seconds == 300
    assert strategy.on_rate_limit(0, 2) == 450
    assert strategy.should_apply_slow_start(0) == (True, 2.0)
    assert strategy.should_apply_slow_start(49) == (True, pytest.approx(0.1))
    assert strategy.should_apply_slow_start(50) == (False, 0.0)


def test_every_setting_reaches_it():
    config = RateLimitConfig(
        cooldown_seconds=10,
        backoff_multiplier=3,
        slow_start_items=3,
        slow_start_initial_delay=5,
        slow_start_final_delay=1,
        max_cooldown_seconds=40,
    )
    strategy = ExponentialBackoffStrategy.of(config)
    assert [strategy.on_rate_limit(0, n) for n in (1, 2, 3)] == [10, 30, 40]
    assert [strategy.should_apply_slow_start(n) for n in range(4)] == [(True, 5), (True, 3), (True, 1), (False, 0)]


def test_a_pause_never_grows_beyond_the_longest():
    strategy = ExponentialBackoffStrategy(backoff_multiplier=10)
    assert strategy.on_rate_limit(0, 5000) == 3600


def test_a_first_pause_may_be_longer_than_the_longest_by_default():
    assert ExponentialBackoffStrategy(7200).on_rate_limit(0, 1) == 7200


@pytest.mark.parametrize("items", [0, 1])
def test_a_slow_start_may_have_no_item_or_one(items):
    strategy = ExponentialBackoffStrategy(slow_start_items=items)
    assert [strategy.should_apply_slow_start(n)[0] for n in range(2)] == [items == 1, False]


def test_a_strategy_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="backoff_multiplier"):
        ExponentialBackoffStrategy(backoff_multiplier=0.5)


def test_a_fixed_delay_stays_the_same():
    strategy = FixedDelayStrategy(60, slow_start_items=2, slow_start_delay=0.5)
    assert {strategy.on_rate_limit(0, n) for n in (1, 2, 30)} == {60}
    assert [strategy.should_apply_slow_start(n) for n in range(3)] == [(True, 0.5), (True, 0.5), (False, 0.0)]
