"""What one page took, for storing beside its output."""

from pydantic import BaseModel, ConfigDict

from batchwright.live.stage.nouns import LLMResult


class PageMetrics(BaseModel):
    """Tokens, money, time and attempts of one page; `model_dump()` is plain JSON."""

    model_config = ConfigDict(frozen=True)

    page_num: int | str
    request_id: str
    success: bool
    model: str | None
    provider: str | None
    attempts: int
    seconds: float
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    total_tokens: int
    cost_usd: float | None
    """None where the price is unknown."""


def llm_result_to_metrics(result: LLMResult, page_num: int | str) -> PageMetrics:
    """Return what `result` took; all attempts together."""
    return PageMetrics(
        page_num=page_num,
        request_id=result.request.id,
        success=result.success,
        model=result.model or result.request.model,
        provider=result.provider_name,
        attempts=result.attempts,
        seconds=round(result.seconds, 3),
        input_tokens=result.usage.input_tokens,
        output_tokens=result.usage.output_tokens,
        cached_tokens=result.usage.cached_tokens,
        reasoning_tokens=result.usage.reasoning_tokens,
        total_tokens=result.usage.total_tokens,
        cost_usd=result.cost_usd,
    )
