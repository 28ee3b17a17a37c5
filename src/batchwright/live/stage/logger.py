"""A logger that takes fields: `logger.error("page 7 failed", error=result.error)`."""

import logging
import sys
from typing import Any, Protocol

_RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""Names that a log record has already; a field of such a name is put into the text alone."""


class Logger(Protocol):
    """What a stage needs of a logger: the standard library's, ours, or your own."""

    def info(self, message: str, /) -> object:
        """Log that something went as it should."""

    def warning(self, message: str, /) -> object:
        """Log something to look at."""

    def error(self, message: str, /) -> object:
        """Log that something failed."""


class StageLogger:
    """The standard library's logger with fields, which end the line and are attributes of the record.

    `exc_info` and `stacklevel` are what they always are; every other keyword is a field.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self.logger = logger
        """The standard logger beneath, for handlers and levels."""

    def debug(self, message: object, /, *args: Any, **fields: Any) -> None:
        """Log what only somebody searching for a fault wants to know."""
        self._log(logging.DEBUG, message, args, fields)

    def info(self, message: object, /, *args: Any, **fields: Any) -> None:
        """Log that something went as it should."""
        self._log(logging.INFO, message, args, fields)

    def warning(self, message: object, /, *args: Any, **fields: Any) -> None:
        """Log something to look at."""
        self._log(logging.WARNING, message, args, fields)

    def error(self, message: object, /, *args: Any, **fields: Any) -> None:
        """Log that something failed."""
        self._log(logging.ERROR, message, args, fields)

    def exception(self, message: object, /, *args: Any, **fields: Any) -> None:
        """Log that something failed, with the traceback of the exception being handled."""
        self._log(logging.ERROR, message, args, {"exc_info": True, **fields})

    def _log(self, level: int, message: object, args: tuple[Any, ...], fields: dict[str, Any]) -> None:
        if not self.logger.isEnabledFor(level):
            return
        exc_info, stacklevel = fields.pop("exc_info", None), fields.pop("stacklevel", 1)
        text = str(message) % args if args else str(message)
        told = " ".join(f"{name}={value!r}" for name, value in fields.items())
        extra = {name: value for name, value in fields.items() if name not in _RESERVED}
        line = f"{text} ({told})" if told else text
        self.logger.log(level, "%s", line, exc_info=exc_info, extra=extra, stacklevel=stacklevel + 2)


class _ToStderr(logging.StreamHandler[Any]):
    """Writes to what `sys.stderr` is at the moment: a progress bar puts something in its place while it is drawn."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def stage_logger(name: str = "stage", *, level: int = logging.INFO) -> StageLogger:
    """Return a logger for a stage, `batchwright.stage.<name>`.

    Where nobody has configured logging, it writes to stderr from `level` on; otherwise it leaves all that as it is.
    """
    logger = logging.getLogger(f"batchwright.stage.{name}")
    if not logger.hasHandlers():
        handler = _ToStderr()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.setLevel(level)
    return StageLogger(logger)
