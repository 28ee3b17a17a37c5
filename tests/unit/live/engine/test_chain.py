"""Providers in their order."""

import pytest

from batchwright.errors import ConfigurationError, LLMQuotaError
from batchwright.live.engine.chain import ProviderChain, ProviderChange
from batchwright.testing import FakeProvider

GONE = LLMQuotaError("you are out of money", provider_name="first", status_code=429, code="insufficient_quota")


def test_the_next_takes_over_and_is_told_once_however_many_find_out() -> None:
    changes: list[ProviderChange] = []
    first, second = FakeProvider(name="first"), FakeProvider(name="second")
    chain = ProviderChain([first, second], on_change=changes.append)

    for _ in range(50):
        chain.give_up(first, GONE)

    assert chain.current is second
    assert not chain.exhausted
    assert changes == [ProviderChange(exhausted="first", successor="second", error=GONE)]


def test_when_the_last_gives_up_nobody_is_left_and_the_error_names_them_all() -> None:
    changes: list[ProviderChange] = []
    first, second = FakeProvider(name="first"), FakeProvider(name="second")
    chain = ProviderChain([first, second], on_change=changes.append)
    chain.give_up(first, GONE)
    chain.give_up(second, GONE)
    chain.give_up(second, GONE)

    assert chain.exhausted
    assert [change.successor for change in changes] == ["second", None]
    error = chain.quota_error()
    assert str(error) == "every provider has used up its quota (first, second); the last said: you are out of money"
    assert (error.status_code, error.code) == (429, "insufficient_quota")


def test_two_accounts_of_one_vendor_are_two_providers() -> None:
    private, shared = FakeProvider(name="openai"), FakeProvider(name="openai")
    chain = ProviderChain([private, shared])
    chain.give_up(private, GONE)
    chain.give_up(private, GONE)

    assert chain.current is shared


def test_without_a_provider_nobody_can_be_asked() -> None:
    with pytest.raises(ConfigurationError, match="at least one provider"):
        ProviderChain([])
