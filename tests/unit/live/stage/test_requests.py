import io
from pathlib import Path

import pytest
from PIL import Image
from pydantic import BaseModel

from batchwright import LLMBatchConfig, LLMRequest
from batchwright.errors import InputError
from batchwright.live.stage.requests import output_schema, to_request, wants_json
from batchwright.request import ImagePart, OutputSchema, Params, Role, TextPart

_OUT = io.BytesIO()
Image.new("RGB", (1, 1)).save(_OUT, format="PNG")
PNG = _OUT.getvalue()
IMAGE = ImagePart(data=PNG, media_type="image/png")
CONFIG = LLMBatchConfig()
ASK = {"role": "user", "content": "Which page?"}


def converted(config=CONFIG, **fields):
    fields = {"messages": [ASK], **fields}
    return to_request(LLMRequest(id="page_0001", **fields), config, model="m-1", custom_id="page-1")


def test_system_texts_are_kept_apart_and_turns_keep_their_order():
    request = converted(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": "Yes."},
            {"role": "developer", "content": [{"type": "text", "text": "In French."}]},
            {"role": "user", "content": "Two?"},
        ]
    )
    assert request.system == "Be brief.\n\nIn French."
    assert [(message.role, message.parts[0].text) for message in request.messages] == [
        (Role.USER, "One?"),
        (Role.ASSISTANT, "Yes."),
        (Role.USER, "Two?"),
    ]


def test_images_stand_in_front_of_the_last_message_of_the_user():
    messages = [ASK, {"role": "assistant", "content": "No."}, {"role": "user", "content": "And now?"}]
    request = converted(messages=messages, images=[PNG, PNG])
    assert request.messages[0].parts == (TextPart(text="Which page?"),)
    assert request.messages[2].parts == (IMAGE, IMAGE, TextPart(text="And now?"))


def test_images_alone_are_a_message():
    request = converted(messages=[{"role": "system", "content": "Describe."}], images=[PNG])
    assert [message.parts for message in request.messages] == [(IMAGE,)]


def test_parts_are_read_in_both_of_the_forms_that_openai_has():
    url = "data:image/png;base64," + __import__("base64").b64encode(PNG).decode()
    pdf = "data:application/pdf;base64," + __import__("base64").b64encode(b"%PDF-1").decode()
    content = [
        "plain",
        {"type": "text", "text": "chat"},
        {"type": "input_text", "text": "responses"},
        {"type": "image_url", "image_url": {"url": url, "detail": "high"}},
        {"type": "input_image", "image_url": url},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": pdf}},
        {"type": "input_file", "filename": "b.pdf", "file_data": pdf},
    ]
    parts = converted(messages=[{"role": "user", "content": content}]).messages[0].parts
    assert [part.text for part in parts[:3]] == ["plain", "chat", "responses"]
    assert parts[3:5] == (IMAGE, IMAGE)
    assert [(part.filename, part.data) for part in parts[5:]] == [("a.pdf", b"%PDF-1"), ("b.pdf", b"%PDF-1")]


def test_the_requests_own_settings_go_before_the_configs():
    config = LLMBatchConfig(temperature=0.5, max_tokens=100, thinking_budget=7)
    assert converted(config).params == Params(model="m-1", temperature=0.5, max_output_tokens=100, thinking_budget=7)
    own = converted(config, temperature=0.0, max_tokens=9).params
    assert (own.temperature, own.max_output_tokens) == (0.0, 9)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"messages": []}, "no message of the user"),
        ({"messages": "Which page?"}, "messages is a list"),
        ({"messages": ["Which page?"]}, "not str"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "not 'tool'"),
        ({"messages": [{"role": "user", "content": None}]}, "a text or a list of parts"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, "not 'audio'"),
        ({"messages": [{"role": "user", "content": [7]}]}, "not 'int'"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, "a file is"),
        ({"messages": [{"role": "system", "content": [IMAGE]}, ASK]}, "can only be text"),
        ({"images": ["nowhere.png"]}, "nowhere.png cannot be read"),
        ({"images": "page.png"}, r"images is a list; one picture is \[picture\]"),
        ({"images": Path("page.png")}, "images is a list"),
        ({"images": PNG}, "images is a list"),
        ({"images": Image.new("1", (1, 1))}, "images is a list"),
        ({"images": None}, "images is a list"),
        ({"response_format": {"type": "json_schema"}}, "response_format is"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {...}}}}, "response_format is"),
        ({"response_format": "json"}, "response_format is"),
    ],
)
def test_what_cannot_be_sent_names_the_request(fields, said):
    with pytest.raises(InputError, match=f"^request page_0001: .*{said}"):
        converted(**fields)


class Answer(BaseModel):
    title: str


def test_a_schema_is_given_in_openais_form_as_a_pydantic_model_or_as_ours():
    schema = Answer.model_json_schema()
    given = {"type": "json_schema", "json_schema": {"name": "page analysis/1", "strict": True, "schema": schema}}
    assert output_schema(given) == OutputSchema(name="page_analysis_1", schema=schema)
    assert output_schema(Answer) == OutputSchema(name="Answer", schema=schema)
    assert output_schema(OutputSchema(name="a", schema=schema)) == OutputSchema(name="a", schema=schema)


def test_a_name_of_a_schema_is_cut_to_what_vendors_take_and_may_be_left_out():
    def named(**name):
        return output_schema({"type": "json_schema", "json_schema": {"schema": {"type": "object"}, **name}}).name

    assert named(name="n" * 100) == "n" * 64
    assert named() == "answer"


def test_json_without_a_schema_is_read_as_json_and_text_is_not():
    assert output_schema({"type": "json_object"}) is None
    assert [wants_json(wanted) for wanted in ({"type": "json_object"}, {"type": "text"}, None, Answer)] == [
        True,
        False,
        False,
        True,
    ]
