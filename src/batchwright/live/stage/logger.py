"""A logger that takes fields: `logger.error("page 7 failed", error=result.error)`."""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Protocol

_RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""Names that a log record has already; a field of such a name is put into the text alone."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, with which escape sequences begin, and marks that reorder text; tab and newline stay."""


def harmless(text: str) -> str:
    """Return text, which may be a model's or a provider's, with nothing in it that could control a terminal."""
    return text if text.isprintable() else _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


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

    `exc_info` and `stacklevel` are what they always are; every other keyword is a field. In the line, control
    characters are replaced: it may quote what a model said.
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
        text = _filled(str(message), args)
        told = " ".join(f"{name}={value!r}" for name, value in fields.items())
        extra = {name: value for name, value in fields.items() if name not in _RESERVED}
        line = harmless(f"{text} ({told})" if told else text)
        self.logger.log(level, "%s", line, exc_info=exc_info, extra=extra, stacklevel=stacklevel + 2)


def _filled(text: str, args: tuple[Any, ...]) -> str:
    """Fill arguments in as the standard library does; those that do not fit are told, for a log line never raises."""
    if not args:
        return text
    values = args[0] if len(args) == 1 and isinstance(args[0], Mapping) and args[0] else args
    try:
        return text % values
    except (TypeError, ValueError, KeyError):
        return f"{text} {args!r}"


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
