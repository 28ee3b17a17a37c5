import anthropic
import httpx2
import llm
import openai
import pytest

from batchwright.errors import (
    LLMConnectionError,
    LLMInvalidRequestError,
    LLMProviderConfigurationError,
    LLMQuotaError,
    LLMRateLimitError,
    LLMServerError,
)
from batchwright.plugins.llm.failures import ours

_REQUEST = httpx2.Request("POST", "https://vendor.example/v1/chat/completions")


def refused(kind, status, body, **headers):
    answer = httpx2.Response(status, headers=headers, request=_REQUEST)
    return kind(str(body.get("message")), response=answer, body=body)


@pytest.mark.parametrize(
    ("raised", "kind", "retryable"),
    [
        (refused(openai.RateLimitError, 429, {"message": "slow down"}), LLMRateLimitError, True),
        (refused(openai.RateLimitError, 429, {"code": "insufficient_quota", "message": "x"}), LLMQuotaError, False),
        (refused(openai.AuthenticationError, 401, {"message": "no"}), LLMProviderConfigurationError, False),
        (refused(openai.BadRequestError, 400, {"message": "too long"}), LLMInvalidRequestError, False),
        (refused(openai.InternalServerError, 500, {"message": "oh"}), LLMServerError, True),
        (refused(anthropic.InternalServerError, 529, {"message": "busy"}), LLMServerError, True),
        (openai.APIConnectionError(request=_REQUEST), LLMConnectionError, True),
        (openai.APITimeoutError(request=_REQUEST), LLMServerError, True),
        (httpx2.ConnectError("no route"), LLMConnectionError, True),
        (llm.NeedsKeyException("no key"), LLMProviderConfigurationError, False),
        (llm.ModelError("Resource exhausted"), LLMRateLimitError, True),
        (llm.ModelError("something"), LLMServerError, True),
        (ValueError("This model does not support attachments"), LLMInvalidRequestError, False),
        (NotImplementedError("Model does not support system prompts"), LLMInvalidRequestError, False),
        (KeyError("choices"), LLMServerError, True),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_what_plugins_raise_becomes_ours(raised, kind, retryable):
    error = ours(raised, model_id="m", provider_name="openai", needs_key="openai")
    assert type(error) is kind
    assert error.retryable is retryable


def test_the_vendors_wait_is_kept():
    raised = refused(openai.RateLimitError, 429, {"message": "slow down"}, **{"retry-after": "7"})
    error = ours(raised, model_id="m", provider_name="openai")
    assert error.retry_after == 7
    assert str(error) == "Rate limit exceeded: slow down; lower --rate-limit or wait a few minutes"


def test_a_refused_key_is_the_guides_error_without_the_key():
    raised = refused(openai.AuthenticationError, 401, {"message": "Incorrect API key provided: sk-secret-12345"})
    error = ours(raised, model_id="gpt-4o", provider_name="openai", needs_key="openai")
    assert str(error).startswith("Invalid API key: it was refused")
    assert str(error).endswith("set your API key for gpt-4o: llm keys set openai")
    assert "secret" not in str(error)
