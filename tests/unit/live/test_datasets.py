import asyncio
import csv
import itertools
import threading

import pytest
from pydantic import BaseModel

import batchwright
from batchwright.errors import (
    AnswerError,
    ConfigurationError,
    InputError,
    LLMInvalidRequestError,
    LLMProviderConfigurationError,
    LLMQuotaError,
)
from batchwright.live.datasets import BatchResponse, answerer_of, batch_from_csv, batch_process
from batchwright.providers.base import Answerer
from batchwright.result import Failure, FailureKind, FinishReason, Result, ResultStatus
from batchwright.testing import FakeProvider


class Oracle(Answerer):
    """Answers what a test says, in any order; counts how many are asked at a time."""

    def __init__(self, answer=str.upper):
        self.name = "openai"
        self.model = "gpt-4o-mini"
        self.asked = []
        self.at_a_time = 0
        self.most = 0
        self.closed = 0
        self._answer = answer

    async def complete(self, request):
        text = request.messages[0].parts[0].text
        self.asked.append(text)
        self.at_a_time += 1
        self.most = max(self.most, self.at_a_time)
        await asyncio.sleep(0.001 if len(text) % 2 else 0)
        self.at_a_time -= 1
        said = self._answer(text)
        if isinstance(said, Exception):
            raise said
        if isinstance(said, Failure):
            return Result(custom_id=request.custom_id, status=ResultStatus.ERRORED, failure=said)
        return Result(
            custom_id=request.custom_id,
            status=ResultStatus.SUCCEEDED,
            text=said,
            finish_reason=FinishReason.STOP,
            model=self.model,
        )

    async def aclose(self):
        self.closed += 1


class Person(BaseModel):
    name: str
    age: int


def test_the_guides_loop():
    prompts = ["What is Python?", "What is JavaScript?", "What is Rust?"]
    results = batchwright.batch_process(FakeProvider(str.upper), prompts, concurrency=3, rate_limit=20)
    assert [(prompt, response.text()) for prompt, response in results] == [(text, text.upper()) for text in prompts]


def test_responses_come_in_the_order_of_the_prompts_whoever_is_first():
    oracle = Oracle()
    prompts = ["x" * (number % 7 + 1) for number in range(500)]
    assert [response.text() for _, response in batch_process(oracle, prompts, concurrency=10)] == [
        prompt.upper() for prompt in prompts
    ]
    assert 1 < oracle.most <= 10
    assert oracle.closed == 1


def test_prompts_without_end_are_drawn_as_they_are_needed():
    oracle = Oracle()
    drawn = itertools.count()
    results = batch_process(oracle, (str(next(drawn)) for _ in itertools.count()), concurrency=4)
    assert [response.text() for _, response in itertools.islice(results, 10)] == [str(number) for number in range(10)]
    results.close()
    assert next(drawn) < 200
    assert not [thread for thread in threading.enumerate() if thread.name == "batchwright-batch"]


def test_a_failed_prompt_raises_where_its_text_is_asked_for_and_stops_nothing():
    refusal = Failure(kind=FailureKind.INVALID_REQUEST, message="no")
    results = dict(batch_process(Oracle(lambda text: refusal if text == "b" else text), ["a", "b", "c"]))
    assert (results["a"].text(), results["c"].text()) == ("a", "c")
    assert isinstance(results["b"].error, LLMInvalidRequestError)
    with pytest.raises(LLMInvalidRequestError, match="no"):
        results["b"].text()


def test_a_used_up_quota_is_raised_after_what_was_answered():
    quota = LLMQuotaError("credit is used up", provider_name="openai")
    results = batch_process(Oracle(lambda text: quota if text == "c" else text), ["a", "b", "c", "d"])
    assert [next(results)[1].text(), next(results)[1].text()] == ["a", "b"]
    with pytest.raises(LLMQuotaError):
        list(results)


def test_with_a_model_responses_are_its_instances():
    answers = {"a": '{"name": "Ann", "age": 3}', "b": "nobody", "c": '{"name": "Cy", "age": "old"}'}
    results = dict(batch_process(Oracle(answers.__getitem__), answers, response_model=Person))
    assert results["a"] == Person(name="Ann", age=3)
    for prompt in "bc":
        assert isinstance(results[prompt], BatchResponse)
        assert isinstance(results[prompt].error, AnswerError)
        assert results[prompt].answer == answers[prompt]


def test_equal_prompts_are_paid_once_however_far_apart():
    oracle = Oracle()
    prompts = [f"prompt {number % 50}" for number in range(400)]
    results = list(batch_process(oracle, prompts, concurrency=4))
    assert [(prompt, response.text()) for prompt, response in results] == [(text, text.upper()) for text in prompts]
    assert sorted(oracle.asked) == sorted(set(prompts))
    assert {(response.cost, response.usage.total_tokens) for _, response in results[50:]} == {(0, 0)}
    assert {response.model for _, response in results} == {"gpt-4o-mini"}


def test_each_prompt_is_asked_for_itself_where_that_is_wanted():
    oracle = Oracle()
    assert [response.text() for _, response in batch_process(oracle, ["a"] * 5, dedupe=False)] == ["A"] * 5
    assert oracle.asked == ["a"] * 5


def test_what_went_wrong_with_a_prompt_is_the_same_error_for_its_equals():
    refusal = Failure(kind=FailureKind.INVALID_REQUEST, message="no")
    oracle = Oracle(lambda text: refusal if text == "b" else '{"name": "Ann", "age": "old"}')
    responses = [response for _, response in batch_process(oracle, ["b", "c", "b", "c"], response_model=Person)]
    assert [type(response.error) for response in responses] == [LLMInvalidRequestError, AnswerError] * 2
    assert str(responses[0].error) == str(responses[2].error)
    assert sorted(oracle.asked) == ["b", "c"]


def test_rows_are_asked_each_for_itself_where_that_is_wanted(tmp_path):
    path = tmp_path / "twice.csv"
    path.write_text("text\nsame\nsame\n", encoding="utf-8")
    once, twice = Oracle(), Oracle()
    assert batch_from_csv(once, path)[1][1].text() == "SAME"
    assert batch_from_csv(twice, path, dedupe=False)[1][1].text() == "SAME"
    assert (once.asked, twice.asked) == (["same"], ["same"] * 2)


def test_it_works_inside_a_running_event_loop():
    async def in_a_notebook():
        return [response.text() for _, response in batch_process(Oracle(), ["a", "b"])]

    assert asyncio.run(in_a_notebook()) == ["A", "B"]


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"rate_limit": 0}])
def test_what_cannot_be_is_refused_before_anything_is_asked(wrong):
    oracle = Oracle()
    with pytest.raises(ConfigurationError):
        batch_process(oracle, ["a"], **wrong)
    assert oracle.asked == []


def test_rows_of_a_file_are_asked_at_once_and_written(tmp_path):
    source, output = tmp_path / "data.csv", tmp_path / "results.csv"
    source.write_text("text,n\ngood,1\nbad,2\ngood,3\n")
    oracle = Oracle()
    results = batch_from_csv(oracle, source, template="Analyze: {text}", output=output, rate_limit=3000)
    assert [(prompt, response.text()) for prompt, response in results] == [
        ("Analyze: good", "ANALYZE: GOOD"),
        ("Analyze: bad", "ANALYZE: BAD"),
        ("Analyze: good", "ANALYZE: GOOD"),
    ]
    assert sorted(oracle.asked) == ["Analyze: bad", "Analyze: good"], "equal prompts are asked once"
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["text"], row["n"], row["response"]) for row in rows] == [
        ("good", "1", "ANALYZE: GOOD"),
        ("bad", "2", "ANALYZE: BAD"),
        ("good", "3", "ANALYZE: GOOD"),
    ]


def test_an_output_that_is_there_is_refused_before_anything_is_asked(tmp_path):
    (tmp_path / "data.csv").write_text("text\na\n")
    (tmp_path / "out.csv").write_text("precious")
    oracle = Oracle()
    with pytest.raises(InputError, match="is there already"):
        batch_from_csv(oracle, tmp_path / "data.csv", output=tmp_path / "out.csv")
    assert oracle.asked == []
    batch_from_csv(oracle, tmp_path / "data.csv", output=tmp_path / "out.csv", overwrite=True)
    assert "A" in (tmp_path / "out.csv").read_text()


def test_rows_as_instances_and_failed_ones_marked_in_the_file(tmp_path):
    (tmp_path / "data.csv").write_text("text\nann\nbob\n")
    answers = {"ann": '{"name": "Ann", "age": 3}', "bob": "nobody"}
    results = batch_from_csv(
        Oracle(answers.__getitem__), tmp_path / "data.csv", output=tmp_path / "out.csv", response_model=Person
    )
    assert results[0] == ("ann", Person(name="Ann", age=3))
    assert isinstance(results[1][1].error, AnswerError)
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["name"], row["age"], bool(row["error"])) for row in rows] == [("Ann", "3", False), ("", "", True)]


def test_a_used_up_quota_is_raised_and_what_came_is_in_the_part(tmp_path):
    (tmp_path / "data.csv").write_text("text\na\nb\n")
    quota = LLMQuotaError("credit is used up", provider_name="openai")
    with pytest.raises(LLMQuotaError):
        batch_from_csv(
            Oracle(lambda text: quota if text == "b" else text), tmp_path / "data.csv", output=tmp_path / "out.csv"
        )
    assert not (tmp_path / "out.csv").exists()
    assert "a,a" in (tmp_path / "out.csv.part").read_text()


def test_a_name_is_a_providers_model(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    found = answerer_of("openai/gpt-4o-mini")
    assert (found.name, found.model) == ("openai", "gpt-4o-mini")
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(LLMProviderConfigurationError, match="OPENAI_API_KEY"):
        batch_process("gpt-4o-mini", ["a"])


def test_models_of_the_llm_tool_answer(monkeypatch, tmp_path):
    llm = pytest.importorskip("llm")
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    (tmp_path / "data.csv").write_text("text\na\nb\n")
    for model in (llm.get_model("echo"), llm.get_async_model("echo"), "echo"):
        results = list(batch_process(model, ["one", "two"], concurrency=2))
        assert [prompt for prompt, _ in results] == ["one", "two"]
        assert all(prompt in response.text() for prompt, response in results)
    assert "Say a" in batch_from_csv(llm.get_model("echo"), tmp_path / "data.csv", template="Say {text}")[0][1].text()


@pytest.mark.parametrize("model", [7, object(), "nobody-knows-this"])
def test_what_is_no_model_is_refused(model, monkeypatch, tmp_path):
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    with pytest.raises(ConfigurationError):
        batch_process(model, ["a"])
