import pytest

from batchwright import LLMService
from batchwright.errors import (
    ConfigurationError,
    LLMOutcomeUnknownError,
    LLMProviderConfigurationError,
    LLMQuotaError,
    LLMRateLimitError,
)


class Own:
    """A user's own provider: no base class, only the guide's methods."""

    def __init__(self, name, outcome=None):
        self.name = name
        self.outcome = outcome
        self.calls = []

    def _do(self, *call):
        self.calls.append(call)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return f"{self.name}:{call[0]}"

    def create_batch_job(self, batch_payload, *, filter_json=False):
        return self._do("create", batch_payload, filter_json)

    def get_batch_job(self, batch_job_name):
        return self._do("get", batch_job_name)

    def fetch_batch_results(self, batch_job_name):
        return self._do("fetch", batch_job_name)

    def cancel_batch_job(self, batch_job_name):
        return self._do("cancel", batch_job_name)

    def generate(self, user_prompts, *, filter_json=False):
        return self._do("generate", user_prompts, filter_json)

    def batch_generate(self, batch, *, filter_json=False):
        return self._do("batch_generate", batch, filter_json)

    def health_check(self):
        return self._do("health")


class OnlyLive:
    name = "live"

    def generate(self, user_prompts, *, filter_json=False):
        return "live answer"

    def create_batch_job(self, batch_payload, *, filter_json=False):
        raise NotImplementedError("no batches here")


def service(*providers):
    seen = []
    return LLMService(providers, reporter=lambda *call: seen.append(call)), seen


def test_the_first_provider_that_can_makes_the_job():
    first, second = Own("a"), Own("b")
    front, seen = service(first, second)
    assert front.create_batch_job([["x"]], filter_json=True) == ("a", "a:create")
    assert first.calls == [("create", [["x"]], True)]
    assert second.calls == []
    assert seen == [("a", "success", None)]


def test_exhausted_and_unable_providers_are_passed_over_and_reported():
    quota = LLMQuotaError("used up")
    front, seen = service(OnlyLive(), Own("q", quota), object(), Own("c"))
    assert front.create_batch_job([["x"]])[0] == "c"
    assert [(name, status) for name, status, _error in seen] == [
        ("live", "unsupported"),
        ("q", "quota_exhausted"),
        ("object", "unsupported"),
        ("c", "success"),
    ]
    assert seen[1][2] is quota


def test_nobody_able_is_not_implemented():
    with pytest.raises(NotImplementedError, match="live, object"):
        service(OnlyLive(), object())[0].create_batch_job([["x"]])


def test_everybody_exhausted_is_a_quota_error_with_the_last_reason():
    last = LLMQuotaError("b is empty", status_code=429, retry_after=60.0)
    with pytest.raises(LLMQuotaError, match="b is empty") as caught:
        service(Own("a", LLMQuotaError("a is empty")), Own("b", last), OnlyLive())[0].create_batch_job([["x"]])
    assert (caught.value.status_code, caught.value.retry_after) == (429, 60.0)
    assert caught.value.__cause__ is last


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (LLMOutcomeUnknownError("lost"), "outcome_unknown"),
        (LLMRateLimitError("slow"), "failed"),
        (LLMProviderConfigurationError("key"), "failed"),
        (RuntimeError("bug"), "failed"),
    ],
)
def test_any_other_trouble_is_raised_at_once_and_nobody_else_is_tried(error, status):
    second = Own("b")
    front, seen = service(Own("a", error), second)
    with pytest.raises(type(error)) as caught:
        front.create_batch_job([["x"]])
    assert caught.value is error
    assert second.calls == []
    assert seen == [("a", status, error)]


@pytest.mark.parametrize("method", ["create_batch_job", "batch_generate", "generate"])
def test_nothing_to_ask_is_a_value_error(method):
    own = Own("a")
    with pytest.raises(ValueError, match="empty"):
        getattr(service(own)[0], method)([])
    assert own.calls == []


def test_a_job_is_looked_after_by_the_provider_that_was_named():
    first, second = Own("a"), Own("b")
    front, _seen = service(first, second)
    assert front.get_batch_job_status("b", "j") == "b:get"
    assert front.fetch_batch_results("b", "j") == "b:fetch"
    assert front.cancel_batch_job("b", "j") == "b:cancel"
    assert first.calls == []


@pytest.mark.parametrize("method", ["get_batch_job_status", "fetch_batch_results", "cancel_batch_job"])
def test_an_unknown_provider_name_lists_the_known_ones(method):
    with pytest.raises(ValueError, match="Provider not found: 'c'; known: a, b") as caught:
        getattr(service(Own("a"), Own("b"))[0], method)("c", "j")
    assert isinstance(caught.value, ConfigurationError)


def test_a_named_provider_without_the_method_is_not_implemented():
    with pytest.raises(NotImplementedError, match="live does not support"):
        service(OnlyLive())[0].fetch_batch_results("live", "j")


def test_live_calls_fall_through_like_batches():
    front, _seen = service(Own("a", LLMQuotaError("empty")), OnlyLive(), Own("c"))
    assert front.generate(["x"]) == "live answer"
    assert front.batch_generate([["x"]]) == "c:batch_generate"


def test_health_is_told_for_each_and_one_that_fails_does_not_hide_the_others():
    front, seen = service(Own("a", LLMRateLimitError("slow")), Own("b"), OnlyLive())
    assert front.health_check() == {"a": False, "b": True, "live": False}
    assert [status for _name, status, _error in seen] == ["failed", "success", "unsupported"]


def test_the_order_is_the_order_given_and_equal_names_are_told_apart():
    first, second = Own("a"), Own("a")
    front, _seen = service(first, Own("b"), second)
    assert front.provider_order == ("a", "b", "a-2")
    front.get_batch_job_status("a-2", "j")
    assert second.calls == [("get", "j")]
    assert first.calls == []


def test_a_service_without_providers_is_refused():
    with pytest.raises(ConfigurationError, match="at least one"):
        LLMService([])


def test_works_without_a_reporter():
    assert LLMService([Own("a")]).generate("x") == "a:generate"
