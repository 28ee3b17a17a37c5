"""The same question to all three providers, with the same output schema, and what it used.

Needs the three keys, or an emulator: BATCHWRIGHT_EMULATOR_URL=http://127.0.0.1:8765.
"""

import asyncio

from batchwright import LLMProviderError, Message, OutputSchema, Request, open_provider, parse_result

SUBJECT = OutputSchema(
    name="subject",
    schema={
        "type": "object",
        "properties": {
            "subject": {"type": "string", "enum": ["geography", "french", "mathematics", "other"]},
            "sure": {"type": "boolean"},
        },
        "required": ["subject", "sure"],
        "additionalProperties": False,
    },
)


def main() -> None:
    request = Request(
        custom_id="rivers",
        messages=(Message.text("Which school subject is this?", "Rivers and coasts"),),
        output_schema=SUBJECT,
    )
    for name in ("gemini", "openai", "anthropic"):
        try:
            provider = open_provider(name)
            result = asyncio.run(provider.complete(request))
        except LLMProviderError as error:
            print(f"{name}: {error}")
            continue
        if not result.succeeded:
            print(f"{name}: {result.failure}")
            continue
        answer = parse_result(result, SUBJECT).value
        print(f"{name} ({provider.model}): {answer['subject']}, {result.usage.total_tokens} tokens")


if __name__ == "__main__":
    main()
