"""One answer, or the reason there is none, in no vendor's words."""

from dataclasses import dataclass, field
from enum import StrEnum

from batchwright.usage import Usage


class ResultStatus(StrEnum):
    """What became of one request."""

    SUCCEEDED = "succeeded"
    """The model answered."""
    ERRORED = "errored"
    """The provider refused or failed this request."""
    EXPIRED = "expired"
    """The job's time ran out before this request was run; it was not billed."""
    CANCELLED = "cancelled"
    """The job was cancelled before this request was run; it was not billed."""
    MISSING = "missing"
    """The job ended and the provider returned nothing at all for this request."""


class FailureKind(StrEnum):
    """Why a request has no answer; decides whether asking again can help."""

    INVALID_REQUEST = "invalid_request"
    """The request itself is refused; unchanged it fails again."""
    BLOCKED = "blocked"
    """The provider's safety rules, or the model, refused to answer."""
    ACCOUNT = "account"
    """Key, credit or quota: the account needs a person."""
    RATE_LIMITED = "rate_limited"
    """Too many requests at that moment."""
    SERVER = "server"
    """The provider failed on its side."""
    TIMEOUT = "timeout"
    """The provider's own call to the model timed out."""
    EXPIRED = "expired"
    """Not run before the job's window closed."""
    CANCELLED = "cancelled"
    """Not run because the job was cancelled."""
    MISSING = "missing"
    """Nothing came back for this request."""
    MALFORMED = "malformed"
    """Something came back that cannot be read as an answer."""


REPEATS = frozenset({FailureKind.INVALID_REQUEST, FailureKind.BLOCKED})
"""Kinds that would fail the same way when asked again unchanged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why one request has no answer."""

    kind: FailureKind
    message: str
    code: str | None = None
    """The vendor's own code, as it came."""
    status_code: int | None = None
    """The HTTP status inside the result line, where the vendor gives one."""

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed when asked again."""
        return self.kind not in REPEATS


class FinishReason(StrEnum):
    """Why the model stopped."""

    STOP = "stop"
    """It was done."""
    LENGTH = "length"
    """It was cut off at the output limit: the answer is not whole."""
    BLOCKED = "blocked"
    """A safety rule or a refusal ended it."""
    OTHER = "other"
    """Something else, or the vendor did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came back for one request. `text` is None unless `status` is succeeded."""

    custom_id: str | None
    """None only where the request carried no id (first-generation inline jobs): then `position` counts."""
    status: ResultStatus
    text: str | None = field(default=None, repr=False)
    failure: Failure | None = None
    finish_reason: FinishReason = FinishReason.OTHER
    usage: Usage = field(default_factory=Usage)
    model: str | None = None
    """The exact model that answered, in the vendor's name."""
    request_id: str | None = None
    """The vendor's id of this answer."""
    position: int | None = None
    """Zero-based place among the results, set only where `custom_id` is None."""

    @property
    def succeeded(self) -> bool:
        """Whether there is an answer to read."""
        return self.status is ResultStatus.SUCCEEDED
