import asyncio
import io
import json
import logging
import threading
from dataclasses import replace

import pytest
from PIL import Image
from pydantic import BaseModel

from batchwright import (
    Checkpoint,
    LLMProviderConfigurationError,
    LLMQuotaError,
    StageLogger,
    batch_process_with_preparation,
)
from batchwright.config import EMULATOR_VARIABLE
from batchwright.errors import ConfigurationError, InputError

STAGE = "Page Labels"


def pages_of(results):
    return sorted(result.request.metadata["page_num"] for result in results)


@pytest.fixture
def run(emulated, make_processor, builder):
    """Run a stage of echoing pages and return (stats, results)."""

    def run(pages, request_builder=builder, handler=None, processor=None, stage=STAGE, **kwargs):
        results = []
        stats = batch_process_with_preparation(
            stage_name=stage,
            pages=pages,
            request_builder=request_builder,
            result_handler=handler or results.append,
            processor=processor or make_processor(),
            **kwargs,
        )
        return stats, results

    return run


def test_every_page_is_asked_about_once_and_handled_once(run, emulated):
    stats, results = run(range(1, 31))
    assert (stats.completed, stats.failed, stats.skipped) == (30, 0, 0)
    assert pages_of(results) == list(range(1, 31))
    assert all(result.success and result.text == f"page {result.request.metadata['page_num']}" for result in results)
    assert sorted(emulated.asks()) == sorted(("openai", "gpt-5.4-mini", f"page {page}") for page in range(1, 31))


def test_the_figures_are_the_sums_of_the_results(run):
    stats, results = run(range(1, 11))
    assert stats.total_tokens == sum(result.usage.total_tokens for result in results) > 0
    assert stats.total_cost_usd == pytest.approx(sum(result.cost_usd for result in results))
    assert stats.total_cost_usd > 0
    assert stats.elapsed_seconds > 0
    assert {(result.attempts, result.provider_name, result.model) for result in results} == {
        (1, "openai", "gpt-5.4-mini")
    }


def test_a_price_that_is_not_known_is_none_and_never_nothing(run, make_processor):
    stats, results = run([1], processor=make_processor(model="openai/a-model-of-tomorrow"))
    assert results[0].success
    assert results[0].cost_usd is None
    assert stats.total_cost_usd is None


def test_without_a_model_in_the_settings_the_builders_own_default_counts(run, make_processor, builder):
    def build(page_num, model="google/gemini-2.5-flash"):
        return builder(page_num, model)

    _, results = run([1], build, processor=make_processor(model=None))
    assert results[0].provider_name == "gemini"


def test_no_pages_are_no_trouble_and_need_no_key(run, monkeypatch):
    monkeypatch.delenv(EMULATOR_VARIABLE)
    stats, _ = run([])
    assert (stats.completed, stats.failed, stats.skipped, stats.total_cost_usd) == (0, 0, 0, 0.0)


def test_builders_run_in_threads_and_the_handler_in_the_callers_one_result_at_a_time(run, builder):
    building, handling, busy = set(), set(), threading.Lock()

    def build(page_num, model):
        building.add(threading.current_thread().name)
        return builder(page_num, model)

    def handle(_result):
        handling.add(threading.current_thread())
        assert busy.acquire(blocking=False)
        busy.release()

    stats, _ = run(range(20), build, handle)
    assert stats.completed == 20
    assert handling == {threading.current_thread()}
    assert building == {"batchwright-builder"}


def test_it_can_be_called_where_a_loop_is_running_as_in_a_notebook(run):
    async def cell():
        return run(range(5))

    assert asyncio.run(cell())[0].completed == 5


def test_pages_that_are_not_built_or_handled_fail_alone_and_are_told_of(run, make_processor, builder, caplog):
    def build(page_num, model):
        if page_num == 1:
            return None
        if page_num == 2:
            raise FileNotFoundError("no scan of page 2")
        return builder(page_num, model), {"ocr": page_num * 10}

    def handle(result):
        seen.append(result.request.metadata["extra_data"]["ocr"])
        if seen[-1] == 30:
            raise KeyError("blocks")

    seen = []
    with caplog.at_level(logging.INFO, "batchwright.stage"):
        stats, _ = run(range(1, 7), build, handle)
    assert (stats.completed, stats.failed, stats.skipped) == (3, 2, 1)
    assert sorted(seen) == [30, 40, 50, 60]
    errors = "\n".join(record.getMessage() for record in caplog.records if record.levelname == "ERROR")
    assert "Page Labels: page 2: the request builder failed: FileNotFoundError: no scan of page 2" in errors
    assert "Page Labels: page 3: the result handler failed: KeyError: 'blocks' (test_processor.py:" in errors
    assert caplog.records[-1].getMessage().startswith("Page Labels: 3 completed, 2 failed, 1 skipped")


def test_a_page_that_the_provider_refuses_comes_to_the_handler_as_a_failure(run, emulated):
    emulated.strike({"name": "server_error", "provider": "openai", "times": 1})
    stats, results = run(range(3))
    (failed,) = [result for result in results if not result.success]
    assert (stats.completed, stats.failed) == (2, 1)
    assert "openai" in failed.error
    assert (failed.parsed_json, failed.text, failed.attempts) == (None, None, 1)


def test_what_a_function_says_cannot_control_a_terminal_whoever_logs(run, make_processor, builder):
    lines = []

    class Told:
        info = warning = error = lines.append

    def careful(page_num, model):
        if page_num == 1:
            raise ValueError("\x1b[2J\nbuilder")
        return builder(page_num, model)

    def handler(result):
        raise ValueError(f"{result.text}\x1b[2J\nhandler")

    run([1, 2], careful, handler, processor=make_processor(logger=Told()))
    assert len(lines) == 3
    assert "builder" in " ".join(lines)
    assert "handler" in " ".join(lines)
    assert all(line.isprintable() for line in lines)


def test_an_answer_that_was_cut_short_is_no_success(run, emulated):
    emulated.strike({"name": "cut_answer", "provider": "openai", "times": 1})
    stats, results = run([1])
    assert stats.failed == 1
    assert "cut short" in results[0].error
    assert results[0].usage.total_tokens > 0
    assert stats.total_tokens == results[0].usage.total_tokens


class Verdict(BaseModel):
    label: str
    sure: bool


@pytest.mark.parametrize("model", ["openai/gpt-5.4-mini", "google/gemini-2.5-flash", "anthropic/claude-haiku-4-5"])
def test_answers_are_parsed_where_a_schema_asks_for_json(run, emulated, make_processor, builder, model):
    emulated.world.use_scenario(emulated.world.scenario.patched({"responder": "schema"}))

    def build(page_num, model):
        return replace(builder(page_num, model), response_format=Verdict)

    _, results = run(range(4), build, processor=make_processor(model=model))
    assert [type(Verdict(**result.parsed_json)) for result in results] == [Verdict] * 4


def test_each_request_goes_to_the_provider_that_its_model_names(run, emulated, builder):
    models = ["openai/gpt-5.4-mini", "google/gemini-2.5-flash", "anthropic/claude-haiku-4-5"]
    stats, results = run(range(9), lambda page_num: builder(page_num, models[page_num % 3]))
    assert stats.completed == 9
    assert {vendor: emulated.asked(vendor) for vendor in ("openai", "gemini", "anthropic")} == {
        "openai": 3,
        "gemini": 3,
        "anthropic": 3,
    }
    assert {result.provider_name for result in results} == {"openai", "gemini", "anthropic"}


def test_with_an_address_the_prefix_is_part_of_the_models_name(run, emulated, make_processor, monkeypatch):
    monkeypatch.delenv(EMULATOR_VARIABLE)
    router = {"base_url": f"{emulated.url}/openai/v1", "api_key": "the-routers-key"}
    stats, _ = run([1, 2], processor=make_processor(model="x-ai/grok-4-fast", **router))
    assert stats.completed == 2
    assert {model for _, model, _ in emulated.asks()} == {"x-ai/grok-4-fast"}


def test_a_model_of_nobody_is_refused_before_anything_is_built(make_processor):
    with pytest.raises(ConfigurationError, match="names no provider"):
        make_processor(model="x-ai/grok-4-fast")


def test_a_stray_max_workers_gets_the_guides_explanation(run):
    with pytest.raises(TypeError, match=r"config = LLMBatchConfig\(max_workers=10\)"):
        run([1], max_workers=10)


async def asynchronous(page):
    return page


def test_an_asynchronous_function_is_refused_before_it_can_mark_a_page_unhandled(run):
    with pytest.raises(TypeError, match="result_handler is asynchronous"):
        run([1], handler=asynchronous)
    with pytest.raises(TypeError, match="request_builder is asynchronous"):
        run([1], asynchronous)
    assert run([1], handler=lambda *page: asynchronous(page))[0].failed == 1


@pytest.mark.parametrize("model", ["openai/gpt-5.4-mini", "google/gemini-2.5-flash", "anthropic/claude-haiku-4-5"])
def test_every_provider_takes_pictures_and_pdfs(run, make_processor, builder, png, model):
    def build(page_num, model):
        return replace(builder(page_num, model), images=[png, b"%PDF-1.7"])

    _, results = run([1], build, processor=make_processor(model=model))
    assert [result.text for result in results] == ["page 1"]


def test_arguments_reach_the_builder_and_those_it_does_not_take_are_named(run, builder, caplog):
    def build(page_num, model, storage):
        return builder(page_num + storage, model)

    _, results = run([1], build, storage=100, total_pages=3)
    assert pages_of(results) == [101]
    assert "request_builder takes no total_pages; left out" in caplog.text
    with pytest.raises(TypeError, match="request_builder needs storage=…"):
        run([1], build)


def test_not_more_than_a_few_requests_are_ready_at_a_time(run, make_processor, builder):
    built, most = [], 0

    def build(page_num, model):
        built.append(page_num)
        return builder(page_num, model)

    def handle(_result):
        nonlocal most, handled
        handled += 1
        most = max(most, len(built) - handled)

    handled = 0
    run(range(300), build, handle, processor=make_processor(max_workers=2))
    assert len(built) == handled == 300
    assert most < 25


def test_the_number_of_workers_may_be_left_to_the_provider(run, make_processor):
    assert run(range(30), processor=make_processor(max_workers="auto"))[0].completed == 30


# What is left for a second run


def test_a_second_run_does_what_is_left_and_asks_nothing_again(run, emulated, make_processor, tmp_path):
    def handle(result):
        if result.request.metadata["page_num"] == 2:
            raise OSError("the disk was full")

    file = tmp_path / "checkpoint.jsonl"
    first, _ = run(range(1, 6), handler=handle, processor=make_processor(Checkpoint(file)))
    assert (first.completed, first.failed) == (4, 1)
    assert Checkpoint(file).remaining(range(1, 6)) == [2]
    second, results = run(range(1, 8), processor=make_processor(Checkpoint(file)))
    assert (second.completed, second.skipped) == (3, 4)
    assert pages_of(results) == [2, 6, 7]
    assert emulated.asked() == 8


def test_failed_pages_are_left(run, emulated, make_processor, tmp_path):
    emulated.strike({"name": "server_error", "provider": "openai", "times": 2})
    checkpoint = Checkpoint(tmp_path / "c")
    stats, results = run(range(5), processor=make_processor(checkpoint))
    failed = sorted(result.request.metadata["page_num"] for result in results if not result.success)
    assert stats.failed == 2
    assert checkpoint.remaining(range(5)) == failed


def test_a_handler_may_mark_its_pages_itself(run, make_processor, tmp_path):
    checkpoint = Checkpoint(tmp_path / "c")

    def handle(result):
        page_num = result.request.metadata["page_num"]
        if page_num != 3:
            checkpoint.mark_completed(page_num)

    both = make_processor(checkpoint)
    run(range(3), handler=handle, processor=both)
    assert checkpoint.remaining(range(4)) == [3]
    run(range(6), handler=handle, processor=make_processor(checkpoint, mark_completed=False))
    assert checkpoint.remaining(range(6)) == [3]
    assert checkpoint.stages == (STAGE,)


def test_two_stages_share_a_checkpoint(run, make_processor, tmp_path):
    checkpoint = Checkpoint(tmp_path / "c")
    processor = make_processor(checkpoint)
    for stage in ("Stage 1", "Stage 2"):
        stats, _ = run(range(4), processor=processor, stage=stage)
        assert stats.completed == 4
    assert checkpoint.remaining(range(5), stage="Stage 2") == [4]


def test_a_checkpoint_of_another_class_is_left_to_the_handler(run, make_processor):
    class Theirs:
        def mark_completed(self, page, cost_usd):
            raise AssertionError("nobody but the handler knows how")

    assert run(range(3), processor=make_processor(Theirs()))[0].completed == 3


def test_ctrl_c_leaves_what_is_handled_done_and_the_rest_to_do(run, emulated, make_processor, tmp_path):
    handled = []

    def handle(result):
        handled.append(result.request.metadata["page_num"])
        if len(handled) == 5:
            raise KeyboardInterrupt

    file = tmp_path / "c"
    with pytest.raises(KeyboardInterrupt):
        run(range(50), handler=handle, processor=make_processor(Checkpoint(file), max_workers=3))
    assert sorted(Checkpoint(file).remaining(range(50))) == sorted(set(range(50)) - set(handled[:4]))
    stats, results = run(range(50), processor=make_processor(Checkpoint(file)))
    assert stats.skipped == 4
    assert pages_of(results) == sorted(set(range(50)) - set(handled[:4]))


def test_a_quota_that_is_used_up_ends_the_stage_and_the_next_run_goes_on(
    run, emulated, make_processor, tmp_path, caplog
):
    emulated.strike({"name": "credit_exhausted", "provider": "openai", "after": 6})
    file, handled = tmp_path / "c", []
    with pytest.raises(LLMQuotaError, match="quota"):
        run(range(40), handler=handled.append, processor=make_processor(Checkpoint(file), max_workers=2))
    done = [result.request.metadata["page_num"] for result in handled if result.success]
    assert len(done) == 6
    assert sorted(Checkpoint(file).remaining(range(40))) == sorted(set(range(40)) - set(done))
    assert "stopped by LLMQuotaError" in caplog.text
    emulated.strike()
    assert run(range(40), processor=make_processor(Checkpoint(file)))[0].completed == 34
    assert emulated.asked() == 40


def test_a_missing_key_is_raised_and_nothing_is_handled(run, monkeypatch):
    monkeypatch.delenv(EMULATOR_VARIABLE)
    handled = []
    with pytest.raises(LLMProviderConfigurationError, match="OPENAI_API_KEY"):
        run(range(40), handler=handled.append)
    assert handled == []


def test_pages_that_break_off_raise_when_what_is_in_flight_is_handled(run):
    def pages():
        yield from range(20)
        raise LookupError("the rest of the list is gone")

    handled = []
    with pytest.raises(LookupError, match="the rest of the list"):
        run(pages(), handler=handled.append)
    assert all(result.success for result in handled)


def test_a_checkpoint_that_cannot_be_written_ends_the_stage(run, make_processor, tmp_path):
    checkpoint, handled = Checkpoint(tmp_path / "folder" / "c"), []
    (tmp_path / "folder").write_text("a file stands where the folder should be")
    with pytest.raises(InputError, match="cannot be written"):
        run(range(20), handler=handled.append, processor=make_processor(checkpoint))
    assert len(handled) == 1


# The log of calls


@pytest.fixture
def png():
    out = io.BytesIO()
    Image.new("RGB", (2, 2)).save(out, format="PNG")
    return out.getvalue()


def test_every_call_is_kept_in_a_file_of_its_own_without_key_or_picture(run, make_processor, builder, tmp_path, png):
    def build(page_num, model):
        return replace(builder(page_num, model), images=[png], metadata={"page_num": page_num, "secret": "mine"})

    logs = tmp_path / "stage" / "logs"
    run([1, 2], build, processor=make_processor(log_dir=logs))
    assert sorted(path.name for path in logs.iterdir()) == ["page_0001.json", "page_0002.json"]
    text = (logs / "page_0001.json").read_text()
    document = json.loads(text)
    assert document["answer"] == "page 1"
    assert document["request"]["messages"][0]["parts"][1] == {"text": "page 1"}
    picture = document["request"]["messages"][0]["parts"][0]
    assert (picture["media_type"], picture["bytes"], len(picture["sha256"])) == ("image/png", len(png), 64)
    assert (document["success"], document["attempts"], document["provider"]) == (True, 1, "openai")
    assert "mine" not in text
    assert "emulator-no-key" not in text


def test_a_failed_call_is_kept_with_its_error(run, emulated, make_processor, tmp_path):
    emulated.strike({"name": "server_error", "provider": "openai"})
    run([1], processor=make_processor(log_dir=tmp_path / "logs"))
    document = json.loads((tmp_path / "logs" / "page_0001.json").read_text())
    assert (document["success"], document["answer"]) == (False, None)
    assert "openai" in document["error"]


def test_a_log_that_cannot_be_written_costs_no_answer(run, make_processor, tmp_path, caplog):
    (tmp_path / "logs").write_text("a file stands where the folder should be")
    stats, results = run([1, 2], processor=make_processor(log_dir=tmp_path / "logs"))
    assert stats.completed == len(results) == 2
    assert "page 1 could not be logged" in caplog.text


def test_any_logger_will_do(run, make_processor, caplog):
    class Collecting:
        def __init__(self):
            self.lines = []

        def info(self, message):
            self.lines.append(message)

        warning = error = info

    mine = Collecting()
    for logger in (logging.getLogger("theirs"), StageLogger(logging.getLogger("ours")), mine):
        run([1], processor=make_processor(None, logger))
    assert mine.lines[-1].startswith("Page Labels: 1 completed")
