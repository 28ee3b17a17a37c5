"""Exit codes, and which of our errors ends in which."""

from enum import IntEnum

from batchwright.errors import (
    BatchwrightError,
    ConfigurationError,
    InputError,
    LLMProviderConfigurationError,
    LLMProviderError,
    LLMQuotaError,
    TrackingError,
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


def exit_code_of(error: BaseException) -> ExitCode:
    """Return the exit code for an error that ended a command."""
    match error:
        case LLMProviderConfigurationError():
            return ExitCode.KEY
        case LLMQuotaError():
            return ExitCode.ACCOUNT
        case ConfigurationError() | InputError() | TrackingError():
            return ExitCode.USAGE
        case LLMProviderError():
            return ExitCode.JOB_FAILED
        case BatchwrightError():
            return ExitCode.USAGE
        case _:
            return ExitCode.UNEXPECTED
