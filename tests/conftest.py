"""For all tests: properties are judged by what they find, not by how busy the machine is."""

import logging

import pytest
from hypothesis import settings

settings.register_profile("batchwright", deadline=None)
settings.load_profile("batchwright")


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
