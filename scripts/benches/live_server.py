"""The service that the live benchmark asks: raw ASGI on uvicorn with uvloop and httptools, no work of its own.

It answers every path with a canned answer of the vendor whose path it is. As a program it serves on a port of its own
choice, prints that, and ends with its standard input.
"""

import argparse
import asyncio
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]

_TEXT = "The river is three metres wide at the ford."
_CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1790000000,
    "model": "gpt-5.4-mini",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": _TEXT, "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 40,
        "completion_tokens": 10,
        "total_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    },
    "service_tier": "default",
    "system_fingerprint": None,
}
_RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1790000000,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "max_output_tokens": None,
    "model": "gpt-5.4-mini",
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": _TEXT}],
        }
    ],
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "usage": {
        "input_tokens": 40,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 10,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 50,
    },
    "user": None,
    "metadata": {},
}
_MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5",
    "content": [{"type": "text", "text": _TEXT}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 40,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 10,
        "service_tier": "standard",
    },
}
_CONTENT = {
    "candidates": [
        {"content": {"parts": [{"text": _TEXT}], "role": "model"}, "finishReason": "STOP", "index": 0},
    ],
    "usageMetadata": {
        "promptTokenCount": 40,
        "candidatesTokenCount": 10,
        "totalTokenCount": 50,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 40}],
    },
    "modelVersion": "gemini-2.5-flash",
    "responseId": "r1",
}
_TOO_MANY = {"error": {"message": "Rate limit reached.", "type": "requests", "code": "rate_limit_exceeded"}}


def _packed(document: Mapping[str, Any], status: int = 200) -> tuple[Message, Message]:
    body = json.dumps(document, separators=(",", ":")).encode()
    fields = {"content-type": "application/json", "content-length": str(len(body)), "x-request-id": "req_1"}
    raw = [(name.encode(), value.encode()) for name, value in fields.items()]
    start: Message = {"type": "http.response.start", "status": status, "headers": raw}
    return start, {"type": "http.response.body", "body": body}


_ANSWERS = {
    "/chat/completions": _packed(_CHAT),
    "/responses": _packed(_RESPONSE),
    "/messages": _packed(_MESSAGE),
    ":generateContent": _packed(_CONTENT),
}


class Service:
    """Answers after `latency` seconds; where `allowed` is set, takes no more calls a second than that.

    What is allowed comes back evenly, up to a second's worth. A call that is too much gets 429, without a word of when
    to come back, and uses up some of what does: as OpenAI documents, refused requests count towards the limit as well.
    """

    def __init__(self, *, latency: float = 0.0, allowed: float = 0.0) -> None:
        self._latency = latency
        self._allowed = allowed
        self._left, self._at = allowed, time.monotonic()
        self.refusals = 0
        self._too_many = _packed(_TOO_MANY, 429)
        self._paths: dict[str, tuple[Message, Message]] = {}

    async def __call__(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        while (await receive()).get("more_body"):
            pass
        path = scope["path"]
        if path == "/refusals":
            start, body = _packed({"refusals": self.refusals})
        elif self._allowed and not self._take():
            self.refusals += 1
            start, body = self._too_many
        else:
            found = self._paths.get(path)
            if found is None:
                found = self._paths[path] = next(a for end, a in _ANSWERS.items() if path.endswith(end))
            start, body = found
        if self._latency:
            await asyncio.sleep(self._latency)
        await send(start)
        await send(body)

    def _take(self) -> bool:
        now = time.monotonic()
        self._left = min(self._allowed, self._left + (now - self._at) * self._allowed)
        self._at = now
        taken = self._left >= 1
        self._left = max(0.0, self._left - 1)
        return taken


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--allowed", type=float, default=0.0)
    parser.add_argument("--cpu", type=int)
    options = parser.parse_args()
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    service = Service(latency=options.latency, allowed=options.allowed)
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    config = uvicorn.Config(
        service,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
        backlog=4096,
        timeout_keep_alive=600,  # on a busy machine a kept connection may wait for seconds
    )
    server = uvicorn.Server(config)

    def wait() -> None:
        sys.stdin.read()
        server.should_exit = True
        server.force_exit = True

    threading.Thread(target=wait, daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
