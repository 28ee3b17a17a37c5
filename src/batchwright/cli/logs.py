"""Where log records go: words on stderr with -v, JSON lines in --log-file. Only the command line configures this."""

import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

import pydantic_core

from batchwright.errors import ConfigurationError

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "taskName"}


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        extra = {name: str(value) for name, value in vars(record).items() if name not in _STANDARD}
        moment = datetime.fromtimestamp(record.created, UTC).isoformat()
        line = {"at": moment, "level": record.levelname.lower(), "message": record.getMessage(), **extra}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return pydantic_core.to_json(line).decode()


def configure(*, verbose: bool, log_file: Path | None) -> None:
    """Send our own log records where they were asked for. Raises `ConfigurationError` if the file cannot be written."""
    logger = logging.getLogger("batchwright")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    if verbose:
        talkative = logging.StreamHandler(sys.stderr)
        talkative.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        logger.addHandler(talkative)
    if log_file is not None:
        try:
            log_file.parent.mkdir(parents=True, exist_ok=True)
            lines = logging.FileHandler(log_file, encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"cannot write --log-file {log_file}: {error.strerror}") from error
        lines.setFormatter(_JsonLines())
        logger.addHandler(lines)
