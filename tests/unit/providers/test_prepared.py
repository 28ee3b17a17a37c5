from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchwright.providers.anthropic.wire import AnthropicWire
from batchwright.providers.gemini.wire import GeminiWire
from batchwright.providers.openai.wire import OpenAIWire
from batchwright.providers.prepared import prepare
from batchwright.request import ImagePart, Message, OutputSchema, Params, Request, TextPart

SCHEMA = OutputSchema(
    name="answer",
    schema={
        "type": "object",
        "properties": {"label": {"type": "string"}},
        "required": ["label"],
        "additionalProperties": False,
    },
)
WIRES = {
    "openai chat": OpenAIWire(defaults=Params(model="gpt-5.4-mini"), system="Be brief."),
    "openai responses": OpenAIWire(defaults=Params(model="gpt-5.4-mini"), endpoint="responses"),
    "anthropic": AnthropicWire(defaults=Params(model="claude-haiku-4-5")),
    "gemini": GeminiWire(defaults=Params(model="gemini-2.5-flash")),
}
REQUEST = Request(
    custom_id="job-01kafz8w3xyz-a1-0",
    messages=(Message.text("An example."), Message.text("The row.")),
    system="Say what it is.",
    output_schema=SCHEMA,
)


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES.keys())
@given(
    text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=80),
    number=st.integers(0, 10**7),
)
def test_a_prepared_request_is_byte_for_byte_what_the_wire_format_writes(wire, text, number):
    custom_id = f"job-01kafz8w3xyz-a2-{number}"
    whole = replace(REQUEST, custom_id=custom_id, messages=(REQUEST.messages[0], Message.text(text)))
    prepared = prepare(wire, REQUEST)
    assert prepared is not None
    assert prepared.encode(custom_id, text) == wire.encode(whole)


@pytest.mark.parametrize(
    "messages",
    [
        (Message(parts=(TextPart(text="look"), ImagePart(data=b"x", media_type="image/png"))),),
        (Message(parts=(ImagePart(data=b"x", media_type="image/png"),)),),
        (),
    ],
)
def test_a_request_that_is_more_than_one_text_is_encoded_one_by_one(messages):
    assert prepare(WIRES["gemini"], replace(REQUEST, messages=messages)) is None
