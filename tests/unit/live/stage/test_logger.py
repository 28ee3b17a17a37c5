import io
import logging
import sys
import uuid

import pytest

from batchwright import StageLogger, stage_logger


@pytest.fixture
def name():
    """One that no other test has used: loggers live as long as the process."""
    return uuid.uuid4().hex


def test_fields_end_the_line_and_are_attributes_of_the_record(name, caplog):
    with caplog.at_level(logging.INFO):
        stage_logger(name).error("✗ Page 7 failed", error="no answer", page_num=7)
    (record,) = caplog.records
    assert record.getMessage() == "✗ Page 7 failed (error='no answer' page_num=7)"
    assert (record.levelname, record.error, record.page_num) == ("ERROR", "no answer", 7)
    assert record.filename == "test_logger.py"


def test_a_field_of_a_name_that_records_have_already_is_told_all_the_same(name, caplog):
    stage_logger(name).warning("odd", name="a", message="b", args=(1,))
    assert caplog.records[0].getMessage() == "odd (name='a' message='b' args=(1,))"


def test_arguments_are_filled_in_and_a_percent_sign_alone_is_text(name, caplog):
    logger = stage_logger(name)
    logger.warning("%d of %s", 3, "four")
    logger.warning("100 % done", rate="5%s")
    assert [record.getMessage() for record in caplog.records] == ["3 of four", "100 % done (rate='5%s')"]


def test_a_mapping_fills_names_in_and_arguments_that_do_not_fit_are_told_and_raise_nothing(name, caplog):
    logger = stage_logger(name)
    logger.warning("%(page)d of %(pages)d", {"page": 1, "pages": 9})
    logger.warning(*("page %d of %d", 3))
    logger.warning("%(page)d of %(pages)d", {"page": 1})
    assert [record.getMessage() for record in caplog.records] == [
        "1 of 9",
        "page %d of %d (3,)",
        "%(page)d of %(pages)d ({'page': 1},)",
    ]


def test_nothing_in_a_line_can_control_a_terminal(name, caplog):
    stage_logger(name).error("said \x1b]0;owned\x07 %s\x9b2J\u202e\nand on", "\x1b[31m", error="\x1b[31m")
    (record,) = caplog.records
    assert record.getMessage() == "said \ufffd]0;owned\ufffd \ufffd[31m\ufffd2J\ufffd\nand on (error='\\x1b[31m')"
    assert record.error == "\x1b[31m"


def test_an_exception_comes_with_its_traceback(name, caplog):
    try:
        int("inner")
    except ValueError:
        stage_logger(name).exception("failed", page=1)
    assert "ValueError: invalid literal" in caplog.text


def test_it_writes_to_stderr_once_where_nobody_has_configured_logging(name, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    first, second = stage_logger(name), stage_logger(name)
    now = io.StringIO()
    monkeypatch.setattr(sys, "stderr", now)
    first.info("✓ Page 1")
    second.debug("not told")
    assert now.getvalue() == "✓ Page 1\n"


def test_it_leaves_logging_alone_where_it_is_configured(name, capsys):
    stage_logger(name).error("to the handlers of the root")
    assert logging.getLogger(f"batchwright.stage.{name}").handlers == []
    assert capsys.readouterr().err == ""


def test_a_logger_of_ones_own_can_have_fields_too(name, caplog):
    StageLogger(logging.getLogger(name)).warning("mine", error=None)
    assert caplog.records[0].name == name
