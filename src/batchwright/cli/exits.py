"""Exit codes, and which of our errors ends in which."""

from enum import IntEnum

from batchwright.errors import (
    BatchwrightError,
    BudgetError,
    LLMProviderConfigurationError,
    LLMProviderError,
    LLMQuotaError,
)


class ExitCode(IntEnum):
    """What a shell or a CI job sees."""

    OK = 0
    """Everything that was asked for was done."""
    UNEXPECTED = 1
    """Something nobody foresaw; worth a report."""
    USAGE = 2
    """The command line, a setting or an input file is wrong."""
    ITEMS_FAILED = 3
    """Finished, but some items failed."""
    KEY = 4
    """A key is missing or was refused."""
    JOB_FAILED = 5
    """A job failed, expired, was cancelled or is lost at the provider."""
    BUDGET = 6
    """Refused because it would cost more than allowed."""
    ACCOUNT = 7
    """Quota or credit is used up."""
    TIMEOUT = 124
    """`--timeout` was reached while a job was still running."""
    INTERRUPTED = 130
    """Ctrl-C."""
    TERMINATED = 143
    """SIGTERM."""


class Terminated(BaseException):
    """SIGTERM arrived."""


_CODES: tuple[tuple[type[BatchwrightError], ExitCode], ...] = (
    (LLMProviderConfigurationError, ExitCode.KEY),
    (LLMQuotaError, ExitCode.ACCOUNT),
    (LLMProviderError, ExitCode.JOB_FAILED),
    (BudgetError, ExitCode.BUDGET),
    (BatchwrightError, ExitCode.USAGE),
)
"""The first that an error is counts."""


def exit_code_of(error: BaseException) -> ExitCode:
    """Return the exit code for an error that ended a command."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.UNEXPECTED)
