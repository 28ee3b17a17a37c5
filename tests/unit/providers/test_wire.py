"""Our nouns to the vendors' JSON and back, without a network."""

from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from batchwright.answer import parse_result
from batchwright.errors import AnswerError, ConfigurationError
from batchwright.job import JobState
from batchwright.providers.anthropic import wire as anthropic
from batchwright.providers.gemini import wire as gemini
from batchwright.providers.openai import wire as openai
from batchwright.request import DocumentPart, ImagePart, Message, OutputSchema, Params, Request, Role, TextPart
from batchwright.result import FailureKind, FinishReason, ResultStatus
from batchwright.usage import Usage

WIRES = {
    "openai": openai.OpenAIWire(defaults=Params(model="gpt-5.4-mini"), system="Be brief."),
    "responses": openai.OpenAIWire(defaults=Params(model="gpt-5.4-mini"), system="Be brief.", endpoint="responses"),
    "anthropic": anthropic.AnthropicWire(defaults=Params(model="claude-haiku-4-5"), system="Be brief."),
    "gemini": gemini.GeminiWire(defaults=Params(model="gemini-2.5-flash"), system="Be brief.", thinking_budget=24576),
}
LINE_WIRES = {name: WIRES[name] for name in ("openai", "responses", "gemini")}


def ask(*parts, **options):
    return Request(custom_id="job-1-a1-0", messages=(Message(parts=parts or (TextPart(text="hello"),)),), **options)


@pytest.fixture(params=WIRES)
def wire(request):
    return WIRES[request.param]


def body_of(wire, request):
    document = from_json(wire.encode(request))
    return document.get("body") or document.get("params") or document["request"]


def lay_out(wire, requests):
    return wire.head + wire.separator.join(map(wire.encode, requests)) + wire.tail


def test_an_answer_without_text_is_a_failure_that_was_paid_for():
    usage = {"prompt_tokens": 12, "completion_tokens": 34}
    line = chat_line(body=chat(content=None) | {"usage": usage, "model": "gpt-5.4-mini-2026-03-17"})
    result = openai.decode_line(line)
    assert result.failure.kind is FailureKind.MALFORMED
    assert (result.usage, result.model) == (Usage(input_tokens=12, output_tokens=34), "gpt-5.4-mini-2026-03-17")


@given(st.text())
def test_any_text_is_one_line_that_reads_back(text):
    for wire in WIRES.values():
        line = wire.encode(ask(TextPart(text=text)))
        assert b"\n" not in line
        from_json(line)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_jsonl_file_is_one_request_a_line(count):
    for wire in LINE_WIRES.values():
        body = lay_out(wire, [ask()] * count)
        assert body.endswith(b"\n")
        assert [bool(from_json(line)) for line in body.split(b"\n")[:-1]] == [True] * count


@pytest.mark.parametrize("count", [1, 2, 5])
def test_anthropics_file_is_one_json_body(count):
    document = from_json(lay_out(WIRES["anthropic"], [ask()] * count))
    assert len(document["requests"]) == count
    assert document["requests"][0]["custom_id"] == "job-1-a1-0"


def test_openai_lines_name_method_endpoint_and_model():
    line = from_json(WIRES["openai"].encode(ask()))
    assert line == {
        "custom_id": "job-1-a1-0",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {
            "model": "gpt-5.4-mini",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}],
        },
    }
    line = from_json(WIRES["responses"].encode(ask()))
    assert line["url"] == "/v1/responses"
    assert line["body"] == {
        "model": "gpt-5.4-mini",
        "instructions": "Be brief.",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "hello"}]}],
    }


def test_geminis_line_is_a_key_and_a_rest_request_with_the_guides_settings():
    assert from_json(WIRES["gemini"].encode(ask())) == {
        "key": "job-1-a1-0",
        "request": {
            "contents": [{"role": "user", "parts": [{"text": "hello"}]}],
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "generationConfig": {"temperature": 0.2, "thinkingConfig": {"thinkingBudget": 24576}},
        },
    }


def test_anthropics_params_always_hold_a_limit():
    assert body_of(WIRES["anthropic"], ask()) == {
        "model": "claude-haiku-4-5",
        "max_tokens": anthropic.MAX_OUTPUT_TOKENS,
        "messages": [{"role": "user", "content": "hello"}],
        "system": "Be brief.",
    }


def test_a_requests_own_system_text_wins_and_an_empty_one_sends_none(wire):
    assert "Be brief." in str(body_of(wire, ask()))
    assert "Be brief." not in str(body_of(wire, ask(system="Other.")))
    none = str(body_of(wire, ask(system="")))
    assert not any(word in none for word in ("system", "instructions", "Instruction"))


def test_images_and_documents_travel_in_base64(wire):
    parts = (
        TextPart(text="look"),
        ImagePart(data=b"\x89PNG\xff", media_type="image/png"),
        DocumentPart(data=b"%PDF", media_type="application/pdf", filename="a.pdf"),
    )
    sent = str(body_of(wire, ask(*parts)))
    assert "iVBOR/8=" in sent
    assert "JVBERg==" in sent
    assert b64decode("iVBOR/8=") == b"\x89PNG\xff"
    assert "image/png" in sent
    assert "application/pdf" in sent


def test_a_conversation_keeps_its_turns(wire):
    turns = (Message.text("one"), Message.text("two", role=Role.ASSISTANT), Message.text("three"))
    body = body_of(wire, Request(custom_id="a", messages=turns, system=""))
    sent = body.get("messages") or body.get("input") or body["contents"]
    assert [turn["role"] for turn in sent] == ["user", "model" if "contents" in body else "assistant", "user"]


@pytest.mark.parametrize(
    "request_",
    [
        Request(custom_id="a", messages=()),
        Request(custom_id="a", messages=(Message(parts=()),)),
        Request(
            custom_id="a",
            messages=(Message(parts=(ImagePart(data=b"", media_type="image/png"),), role=Role.ASSISTANT),),
        ),
    ],
)
def test_a_request_that_cannot_be_said_is_refused_by_name(wire, request_):
    with pytest.raises(ConfigurationError, match="request a"):
        wire.encode(request_)


def test_a_job_has_one_model_where_the_vendor_says_so():
    other = ask(params=Params(model="other"))
    for wire in LINE_WIRES.values():
        with pytest.raises(ConfigurationError, match="one model"):
            wire.encode(other)
    assert body_of(WIRES["anthropic"], other)["model"] == "other"


@pytest.mark.parametrize(
    ("model", "asked", "sent"),
    [
        ("gpt-4.1-mini", None, 0.2),
        ("gpt-4o", None, 0.2),
        ("gpt-4.1", 0.0, 0.0),
        ("ft:gpt-4o-mini:acme::1", None, 0.2),
        ("gpt-5.4-mini", None, None),
        ("gpt-6-sol", None, None),
        ("o4-mini", None, None),
        ("gpt-5.4", 1.0, 1.0),
    ],
)
def test_openai_gets_a_temperature_only_where_the_model_takes_one(model, asked, sent):
    for endpoint in openai.PATHS:
        wire = openai.OpenAIWire(defaults=Params(model=model, temperature=asked), endpoint=endpoint)
        assert wire.body(ask()).get("temperature") == sent


@pytest.mark.parametrize(
    ("model", "budget", "effort"),
    [
        ("gpt-5.4-mini", None, None),
        ("gpt-5.4-mini", 0, "none"),
        ("gpt-5-mini", 0, "minimal"),
        ("o3", 0, "low"),
        ("gpt-5.4", 4096, "low"),
        ("gpt-5.4", 4097, "medium"),
        ("gpt-5.4", 24576, "high"),
        ("gpt-4.1", 24576, None),
    ],
)
def test_a_thinking_budget_becomes_an_effort_at_openai(model, budget, effort):
    params = Params(model=model, thinking_budget=budget)
    assert openai.OpenAIWire(defaults=params).body(ask()).get("reasoning_effort") == effort
    sent = openai.OpenAIWire(defaults=params, endpoint="responses").body(ask())
    assert sent.get("reasoning") == (None if effort is None else {"effort": effort})


@pytest.mark.parametrize(
    ("model", "budget", "thinking", "effort"),
    [
        ("claude-haiku-4-5", None, None, None),
        ("claude-haiku-4-5", 0, {"type": "disabled"}, None),
        ("claude-haiku-4-5-20251001", 8000, {"type": "enabled", "budget_tokens": 8000}, None),
        ("claude-3-7-sonnet-20250219", 8000, {"type": "enabled", "budget_tokens": 8000}, None),
        ("claude-opus-4-20250514", 500, {"type": "enabled", "budget_tokens": 1024}, None),
        ("claude-opus-4-6", 2048, {"type": "enabled", "budget_tokens": 2048}, None),
        ("claude-opus-4-7", 2048, {"type": "adaptive"}, "low"),
        ("claude-sonnet-5", 16384, {"type": "adaptive"}, "medium"),
        ("claude-haiku-5-5", 24576, {"type": "adaptive"}, "high"),
        ("another-name", 24576, {"type": "adaptive"}, "high"),
    ],
)
def test_thinking_takes_the_form_the_claude_model_knows(model, budget, thinking, effort):
    body = anthropic.AnthropicWire(defaults=Params(model=model, thinking_budget=budget), temperature=0.2).body(ask())
    assert body.get("thinking") == thinking
    assert body.get("output_config") == (None if effort is None else {"effort": effort})
    assert body["max_tokens"] > int((thinking or {}).get("budget_tokens", 0))
    assert ("temperature" in body) is (thinking is None or thinking["type"] == "disabled")


def test_an_output_limit_at_or_under_the_thinking_budget_is_refused():
    params = Params(model="claude-haiku-4-5", thinking_budget=2000, max_output_tokens=2000)
    with pytest.raises(ConfigurationError, match="must be above the thinking budget"):
        anthropic.AnthropicWire(defaults=params).encode(ask())


def test_anthropics_new_version_gets_no_temperature_and_an_asked_one_is_refused():
    params = Params(model="claude-haiku-4-5")
    wire = anthropic.AnthropicWire(defaults=params, temperature=0.2, takes_temperature=False)
    assert "temperature" not in wire.body(ask())
    with pytest.raises(ConfigurationError, match="no temperature"):
        wire.body(ask(params=Params(temperature=0.5)))
    old = anthropic.AnthropicWire(defaults=params, temperature=0.2, takes_temperature=True)
    assert old.body(ask())["temperature"] == 0.2


@pytest.mark.parametrize(
    ("model", "params", "expected"),
    [
        ("gemini-2.5-pro", Params(), {"temperature": 0.2, "thinkingConfig": {"thinkingBudget": 24576}}),
        ("gemini-2.0-flash", Params(), {"temperature": 0.2}),
        ("gemini-3.5-flash", Params(), {}),
        (
            "gemini-3.5-flash",
            Params(temperature=0.0, thinking_budget=0),
            {"temperature": 0.0, "thinkingConfig": {"thinkingBudget": 0}},
        ),
        (
            "gemini-2.5-flash",
            Params(thinking_budget=0, max_output_tokens=9),
            {"temperature": 0.2, "maxOutputTokens": 9, "thinkingConfig": {"thinkingBudget": 0}},
        ),
    ],
)
def test_gemini_gets_the_settings_its_model_takes(model, params, expected):
    wire = gemini.GeminiWire(defaults=Params(model=model), thinking_budget=24576)
    assert wire.body(ask(params=params)).get("generationConfig", {}) == expected


SCHEMA = OutputSchema(name="s", schema={"type": "array", "items": {"type": "string"}})


def test_each_vendor_gets_the_schema_in_its_own_place():
    chat = WIRES["openai"].body(ask(output_schema=SCHEMA))["response_format"]
    assert chat["type"] == "json_schema"
    assert chat["json_schema"]["name"] == "s"
    assert chat["json_schema"]["strict"] is True
    assert chat["json_schema"]["schema"]["type"] == "object"
    text = WIRES["responses"].body(ask(output_schema=SCHEMA))["text"]["format"]
    assert (text["type"], text["name"], text["schema"]["type"]) == ("json_schema", "s", "object")
    claude = WIRES["anthropic"].body(ask(output_schema=SCHEMA))["output_config"]["format"]
    assert (claude["type"], claude["schema"]["type"]) == ("json_schema", "object")
    config = WIRES["gemini"].body(ask(output_schema=SCHEMA))["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert config["responseSchema"]["type"] == "ARRAY"
    assert "responseJsonSchema" not in config


# ---- answers


def chat_line(**response):
    return {"id": "r", "custom_id": "a", "response": {"status_code": 200, "request_id": "q", **response}, "error": None}


def chat(content="hi", finish="stop", refusal=None):
    message = {"role": "assistant", "content": content, "refusal": refusal}
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    return {"model": "m", "choices": [{"message": message, "finish_reason": finish}], "usage": usage}


def test_an_openai_answer_gives_text_usage_model_and_request_id():
    result = openai.decode_line(chat_line(body=chat()))
    assert (result.custom_id, result.text, result.model, result.request_id) == ("a", "hi", "m", "q")
    assert result.finish_reason is FinishReason.STOP
    assert result.usage == Usage(input_tokens=10, output_tokens=7, cached_tokens=4, reasoning_tokens=5)


@pytest.mark.parametrize(
    ("line", "status", "kind"),
    [
        (chat_line(body=chat(content=None, refusal="I cannot")), ResultStatus.ERRORED, FailureKind.BLOCKED),
        (chat_line(body=chat(content="half", finish="content_filter")), ResultStatus.ERRORED, FailureKind.BLOCKED),
        (chat_line(body=chat(content=None)), ResultStatus.ERRORED, FailureKind.MALFORMED),
        (chat_line(body={}), ResultStatus.ERRORED, FailureKind.MALFORMED),
        (chat_line(body={"error": {"message": "x"}}), ResultStatus.ERRORED, FailureKind.SERVER),
        (
            {"custom_id": "a", "response": {"status_code": 0, "body": None}, "error": None},
            ResultStatus.ERRORED,
            FailureKind.SERVER,
        ),
        (
            {"custom_id": "a", "response": {"status_code": 400, "message": "bad"}},
            ResultStatus.ERRORED,
            FailureKind.INVALID_REQUEST,
        ),
        (
            {"custom_id": "a", "response": None, "error": {"code": "batch_expired", "message": "late"}},
            ResultStatus.EXPIRED,
            FailureKind.EXPIRED,
        ),
        (
            {"custom_id": "a", "response": None, "error": {"code": "batch_cancelled", "message": "stop"}},
            ResultStatus.CANCELLED,
            FailureKind.CANCELLED,
        ),
        (
            {"custom_id": "a", "response": None, "error": {"code": "request_timeout", "message": "slow"}},
            ResultStatus.ERRORED,
            FailureKind.TIMEOUT,
        ),
        ({"custom_id": "a"}, ResultStatus.ERRORED, FailureKind.MALFORMED),
        ({"custom_id": "a", "response": "x", "error": 7}, ResultStatus.ERRORED, FailureKind.MALFORMED),
    ],
)
def test_an_openai_line_without_an_answer_says_why(line, status, kind):
    result = openai.decode_line(line)
    assert (result.custom_id, result.status, result.failure.kind, result.text) == ("a", status, kind, None)


def test_an_answer_cut_at_the_limit_succeeds_and_is_never_taken_for_whole():
    results = [
        openai.decode_line(chat_line(body=chat(content="[1, 2", finish="length"))),
        openai.decode_line(chat_line(body=chat(content=None, finish="length"))),
        openai.decode_answer(
            "a", {"output": [], "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        ),
        anthropic.decode_answer("a", {"content": [{"type": "text", "text": "[1, 2"}], "stop_reason": "max_tokens"}),
        anthropic.decode_answer("a", {"content": [], "stop_reason": "max_tokens"}),
        gemini.decode_answer("a", {"candidates": [{"finishReason": "MAX_TOKENS"}]}),
    ]
    for result in results:
        assert result.succeeded
        assert result.finish_reason is FinishReason.LENGTH
        with pytest.raises(AnswerError, match="cut short"):
            parse_result(result)


def test_an_openai_responses_answer_is_read_past_its_reasoning():
    body = {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "error": None,
        "model": "m",
        "output": [
            {"type": "reasoning", "summary": []},
            {
                "type": "message",
                "content": [{"type": "output_text", "text": "a"}, {"type": "output_text", "text": "b"}],
            },
        ],
        "usage": {
            "input_tokens": 3,
            "output_tokens": 9,
            "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 2},
            "output_tokens_details": {"reasoning_tokens": 6},
        },
    }
    result = openai.decode_line(chat_line(body=body))
    assert result.text == "ab"
    assert result.usage == Usage(
        input_tokens=3, output_tokens=9, cached_tokens=1, cache_write_tokens=2, reasoning_tokens=6
    )
    refused = {**body, "output": [{"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}]}
    assert openai.decode_answer("a", refused).failure.kind is FailureKind.BLOCKED


def test_an_anthropic_answer_counts_cached_input_and_skips_thinking():
    message = {
        "id": "msg_1",
        "model": "m",
        "stop_reason": "end_turn",
        "content": [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "a"},
            {"type": "text", "text": "b"},
        ],
        "usage": {
            "input_tokens": 5,
            "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": 20,
            "output_tokens": 9,
            "output_tokens_details": {"thinking_tokens": 4},
        },
    }
    result = anthropic.decode_line({"custom_id": "a", "result": {"type": "succeeded", "message": message}})
    assert (result.text, result.model, result.request_id) == ("ab", "m", "msg_1")
    assert result.usage == Usage(
        input_tokens=125, output_tokens=9, cached_tokens=100, cache_write_tokens=20, reasoning_tokens=4
    )


@pytest.mark.parametrize(
    ("outcome", "status", "kind"),
    [
        ({"type": "expired"}, ResultStatus.EXPIRED, FailureKind.EXPIRED),
        ({"type": "canceled"}, ResultStatus.CANCELLED, FailureKind.CANCELLED),
        ({"type": "brandnew"}, ResultStatus.ERRORED, FailureKind.MALFORMED),
        ({"type": "errored", "error": {"error": {"type": "api_error"}}}, ResultStatus.ERRORED, FailureKind.SERVER),
        ({"type": "errored"}, ResultStatus.ERRORED, FailureKind.SERVER),
        (
            {"type": "succeeded", "message": {"content": [], "stop_reason": "refusal"}},
            ResultStatus.ERRORED,
            FailureKind.BLOCKED,
        ),
        ({"type": "succeeded"}, ResultStatus.ERRORED, FailureKind.MALFORMED),
        (None, ResultStatus.ERRORED, FailureKind.MALFORMED),
    ],
)
def test_an_anthropic_line_without_an_answer_says_why(outcome, status, kind):
    result = anthropic.decode_line({"custom_id": "a", "result": outcome})
    assert (result.custom_id, result.status, result.failure.kind) == ("a", status, kind)


def test_a_gemini_answer_adds_thoughts_to_output_and_skips_their_text():
    response = {
        "responseId": "r",
        "modelVersion": "m",
        "candidates": [
            {"content": {"parts": [{"text": "hm", "thought": True}, {"text": "hi"}]}, "finishReason": "STOP"}
        ],
        "usageMetadata": {
            "promptTokenCount": 8,
            "cachedContentTokenCount": 3,
            "candidatesTokenCount": 11,
            "thoughtsTokenCount": 829,
        },
    }
    result = gemini.decode_line({"response": response, "key": "a"})
    assert (result.custom_id, result.text, result.model, result.request_id) == ("a", "hi", "m", "r")
    assert result.usage == Usage(input_tokens=8, output_tokens=840, cached_tokens=3, reasoning_tokens=829)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ({"response": {"promptFeedback": {"blockReason": "SAFETY"}}}, FailureKind.BLOCKED),
        ({"response": {"candidates": [{"finishReason": "RECITATION"}]}}, FailureKind.BLOCKED),
        ({"response": {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]}}, FailureKind.MALFORMED),
        ({"response": {}}, FailureKind.MALFORMED),
        ({"response": None}, FailureKind.MALFORMED),
        ({"error": {"code": 13, "message": "internal"}}, FailureKind.SERVER),
    ],
)
def test_a_gemini_line_without_an_answer_says_why(line, kind):
    result = gemini.decode_line({"key": "a", **line})
    assert (result.custom_id, result.status, result.failure.kind) == ("a", ResultStatus.ERRORED, kind)


def test_inline_responses_go_by_key_or_else_by_position():
    answer = {"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}]}
    entries = [
        {"response": answer, "metadata": {"key": "k"}},
        {"response": answer},
        {"error": {"code": 13, "message": "m"}},
    ]
    for operation in (
        {"metadata": {"output": {"inlinedResponses": {"inlinedResponses": entries}}}},
        {"response": {"inlinedResponses": {"inlinedResponses": entries}}},
        {"response": {"inlinedResponses": entries}},
    ):
        results = list(gemini.inlined_results(operation))
        assert [(r.custom_id, r.position, r.succeeded) for r in results] == [
            ("k", None, True),
            (None, 1, True),
            (None, 2, False),
        ]
    assert list(gemini.inlined_results({})) == []


# ---- jobs


@pytest.mark.parametrize("decode", [openai.decode_job, anthropic.decode_job, gemini.decode_job])
@pytest.mark.parametrize(
    "document", [{}, {"id": 7, "metadata": 5, "request_counts": [], "created_at": "soon", "errors": ""}]
)
def test_a_job_of_any_shape_is_read_without_an_error(decode, document):
    assert decode(document).state is JobState.IN_PROGRESS


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("validating", JobState.SUBMITTED),
        ("finalizing", JobState.IN_PROGRESS),
        ("cancelling", JobState.CANCELLING),
        ("COMPLETED", JobState.COMPLETED),
        ("brandnew", JobState.IN_PROGRESS),
    ],
)
def test_openais_states(status, state):
    assert openai.decode_job({"id": "b", "status": status}).state is state


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("completed", JobState.COMPLETED),
        ("failed", JobState.FAILED),
        ("expired", JobState.EXPIRED),
        ("cancelled", JobState.CANCELLED),
    ],
)
def test_a_status_nobody_knows_is_told_by_the_end_it_has(word, state):
    job = openai.decode_job({"id": "b", "status": "brandnew", f"{word}_at": 1_800_000_000})
    assert (job.state, job.provider_state) == (state, "brandnew")
    known = openai.decode_job({"id": "b", "status": "finalizing", f"{word}_at": 1_800_000_000})
    assert known.state is JobState.IN_PROGRESS


def test_an_anthropic_status_nobody_knows_is_told_by_the_end_it_has():
    batch = {"id": "m", "processing_status": "brandnew", "request_counts": {"expired": 1}}
    assert anthropic.decode_job(batch).state is JobState.IN_PROGRESS
    assert anthropic.decode_job(batch | {"ended_at": "2026-01-01T00:00:00Z"}).state is JobState.EXPIRED


def test_a_failed_openai_job_tells_line_code_and_number_of_errors():
    data = [{"code": "token_limit_exceeded", "message": "Enqueued token limit", "line": 3}, {"message": "x"}]
    job = openai.decode_job({"id": "b", "status": "failed", "errors": {"data": data}})
    assert job.error == "line 3: Enqueued token limit (token_limit_exceeded), and 1 more"
    assert job.error_code == "token_limit_exceeded"


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_file_is_null_or_an_empty_text(nothing):
    job = openai.decode_job({"id": "b", "status": "completed", "output_file_id": nothing, "error_file_id": "file-e"})
    assert job.output_file_ids == ("file-e",)


@pytest.mark.parametrize(
    ("counts", "cancel", "state"),
    [
        ({"succeeded": 3}, None, JobState.COMPLETED),
        ({"errored": 3}, None, JobState.COMPLETED),
        ({"succeeded": 3}, "2026-01-01T00:00:00Z", JobState.COMPLETED),
        ({"succeeded": 1, "canceled": 2}, "2026-01-01T00:00:00Z", JobState.CANCELLED),
        ({"canceled": 3}, None, JobState.CANCELLED),
        ({"expired": 3}, None, JobState.EXPIRED),
        ({"succeeded": 2, "expired": 1}, None, JobState.EXPIRED),
    ],
)
def test_an_ended_anthropic_batch_is_named_after_what_cut_it_short(counts, cancel, state):
    job = anthropic.decode_job(
        {"id": "m", "processing_status": "ended", "request_counts": counts, "cancel_initiated_at": cancel}
    )
    assert job.state is state
    assert job.counts.total == 3


@pytest.mark.parametrize(
    ("operation", "state"),
    [
        ({"metadata": {"state": "BATCH_STATE_PENDING"}}, JobState.SUBMITTED),
        ({"metadata": {"state": "JOB_STATE_RUNNING"}}, JobState.IN_PROGRESS),
        ({"metadata": {"state": "BATCH_STATE_SUCCEEDED"}, "done": True}, JobState.COMPLETED),
        ({"metadata": {"state": "BATCH_STATE_NEW"}}, JobState.IN_PROGRESS),
        ({"metadata": {}, "done": True, "error": {"code": 1, "message": "m"}}, JobState.CANCELLED),
        ({"metadata": {}, "done": True, "error": {"code": 13, "message": "m"}}, JobState.FAILED),
        ({"metadata": {"a": 1}, "done": True}, JobState.COMPLETED),
    ],
)
def test_geminis_states(operation, state):
    assert gemini.decode_job({"name": "batches/b", **operation}).state is state
