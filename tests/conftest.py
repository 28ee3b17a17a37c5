"""For all tests: properties are judged by what they find, not by how busy the machine is."""

import logging
import ssl
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import httpcore2
import pytest
from hypothesis import settings

settings.register_profile("batchwright", deadline=None)
settings.load_profile("batchwright")
# Each client would read the certificates of the world anew, up to four times, and speak plain HTTP to the emulator.
ssl.create_default_context = cache(ssl.create_default_context)
httpcore2.default_ssl_context = cache(httpcore2.default_ssl_context)
WARM_COMMANDS = Path(__file__).with_name("warm_commands.py")


@pytest.fixture(scope="session")
def warm_programs():
    """A folder with a `batchwright`, an `llm` and a `python` whose processes are made with everything loaded."""
    with tempfile.TemporaryDirectory() as name:  # not pytest's folder: a socket's path has to be short
        command = [sys.executable, "-P", str(WARM_COMMANDS), name]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
            assert server.stdout.readline() == b"listening\n"
            yield Path(name)  # it listens until its stdin is closed, which the end of this block does


@pytest.fixture(autouse=True)
def logging_as_it_was():
    """What a command or an example that ran in this process set must not decide what later tests log and keep."""
    loggers = [logging.getLogger(), logging.getLogger("batchwright")]
    before = [(logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    yield
    for logger, (level, propagate, handlers) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.propagate = propagate
        for handler in [handler for handler in logger.handlers if handler not in handlers]:
            logger.removeHandler(handler)
        for handler in [handler for handler in handlers if handler not in logger.handlers]:
            logger.addHandler(handler)
