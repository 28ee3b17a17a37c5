import pytest

from batchwright import LLMBatchConfig, LLMRequest, LLMResult, StageStats, Usage, llm_result_to_metrics
from batchwright.errors import ConfigurationError

STATS = StageStats(completed=3, failed=1, skipped=2, total_cost_usd=0.25, total_tokens=900, elapsed_seconds=1.5)


def test_stats_read_as_attributes_and_as_a_mapping():
    assert STATS["completed"] == STATS.completed == 3
    assert dict(STATS) == {
        "completed": 3,
        "failed": 1,
        "skipped": 2,
        "total_cost_usd": 0.25,
        "total_tokens": 900,
        "elapsed_seconds": 1.5,
    }
    assert "{failed} of {completed}".format(**STATS) == "1 of 3"
    assert STATS.get("no such figure") is None
    assert "keys" not in STATS


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"max_workers": 0}, 'max_workers is 0; it is a whole number of 1 or more or "auto"'),
        ({"max_workers": "many"}, "max_workers is 'many'"),
        ({"max_workers": 2.5}, "max_workers is 2.5"),
        ({"max_retries": -1}, "max_retries is -1"),
        ({"timeout": 0}, "timeout is 0"),
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"requests_per_minute": -5}, "requests_per_minute is -5"),
        ({"builder_threads": 0}, "builder_threads is 0"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_once(settings, said):
    with pytest.raises(ConfigurationError, match=said):
        LLMBatchConfig(**settings)


def test_there_are_no_more_builders_than_workers():
    assert LLMBatchConfig(max_workers=3).parallel_builders == 3
    assert LLMBatchConfig(max_workers=50).parallel_builders == 8
    assert LLMBatchConfig(max_workers="auto").parallel_builders == 8
    assert LLMBatchConfig(max_workers=50, builder_threads=20).parallel_builders == 20


def test_a_key_is_never_shown():
    assert "sk-secret" not in repr(LLMBatchConfig(api_key="sk-secret"))


def test_metadata_is_the_requests_own():
    result = LLMResult(LLMRequest("page_0001", metadata={"page_num": 1}), True)
    assert result.request.metadata["page_num"] == 1
    with pytest.raises(AttributeError):
        result.metadata  # noqa: B018
    assert LLMRequest("a").metadata is not LLMRequest("b").metadata


def test_metrics_are_plain_json():
    result = LLMResult(
        request=LLMRequest("page_0007", model="openai/gpt-x"),
        success=True,
        cost_usd=0.5,
        usage=Usage(input_tokens=10, output_tokens=4, cached_tokens=3, reasoning_tokens=2),
        attempts=2,
        seconds=1.23456,
        provider_name="openai",
    )
    assert llm_result_to_metrics(result, 7).model_dump() == {
        "page_num": 7,
        "request_id": "page_0007",
        "success": True,
        "model": "openai/gpt-x",
        "provider": "openai",
        "attempts": 2,
        "seconds": 1.235,
        "input_tokens": 10,
        "output_tokens": 4,
        "cached_tokens": 3,
        "reasoning_tokens": 2,
        "total_tokens": 14,
        "cost_usd": 0.5,
    }
