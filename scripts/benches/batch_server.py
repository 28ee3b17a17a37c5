"""A server that takes OpenAI batch jobs and has the answers at once: raw ASGI, so that it is never what is measured.

It answers every line of an uploaded file with a JSON object of four fields that depend on the line's custom_id, so that
whoever reads them can tell whether an answer reached its own row. Files are kept on disk.
"""

import argparse
import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import uvicorn

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]

LABELS = ("praise", "complaint", "question", "other")
_PIECE = 1 << 18
_FAILING = "fails to be answered"
"""A prompt with these words is answered with a server error."""


def answer_of(number: int) -> dict[str, Any]:
    """Return the four fields that the n-th request of a job is answered with."""
    return {
        "label": LABELS[number % len(LABELS)],
        "score": number % 101,
        "urgent": number % 7 == 0,
        "reason": f"The row says so in its words, most of all where it is number {number}.",
    }


class Server:
    """Files and batches in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._batches: dict[str, dict[str, Any]] = {}

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        path = scope["path"].removeprefix("/openai").removeprefix("/v1")
        parts = path.strip("/").split("/")
        if parts == ["files"] and scope["method"] == "POST":
            await self._take_file(receive, send)
        elif parts[0] == "files" and parts[-1] == "content":
            await self._give_file(parts[1], send)
        elif parts == ["batches"] and scope["method"] == "POST":
            await _json(send, self._create(orjson.loads(await _body(receive))))
        elif parts == ["batches"]:
            await _json(send, {"object": "list", "data": list(self._batches.values())[::-1], "has_more": False})
        else:
            await _json(send, self._batches[parts[1]])

    async def _take_file(self, receive: Receive, send: Send) -> None:
        """Keep an upload and write its answers, line by line: a multipart part begins after a blank line."""
        name = f"file-{next(self._numbers)}"
        raw = self._folder / f"{name}.upload"
        with raw.open("wb") as file:
            more = True
            while more:
                message = await receive()
                file.write(message.get("body", b""))
                more = message.get("more_body", False)
        await asyncio.to_thread(_answer_file, raw, self._folder / f"{name}.answers")
        size = raw.stat().st_size
        raw.unlink()
        record = {"id": name, "object": "file", "purpose": "batch", "filename": "in.jsonl", "bytes": size}
        await _json(send, {**record, "created_at": 1_790_000_000, "status": "processed"})

    async def _give_file(self, name: str, send: Send) -> None:
        headers = [(b"content-type", b"application/octet-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        with (self._folder / f"{name}.answers").open("rb") as file:
            while piece := file.read(_PIECE):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _create(self, wish: dict[str, Any]) -> dict[str, Any]:
        name = f"batch_{next(self._numbers)}"
        with (self._folder / f"{wish['input_file_id']}.answers").open("rb") as file:
            total = sum(1 for _ in file)
        self._batches[name] = {
            "id": name,
            "object": "batch",
            "endpoint": wish["endpoint"],
            "input_file_id": wish["input_file_id"],
            "completion_window": "24h",
            "status": "completed",
            "output_file_id": wish["input_file_id"],
            "error_file_id": None,
            "created_at": 1_790_000_000,
            "completed_at": 1_790_000_001,
            "request_counts": {"total": total, "completed": total, "failed": 0},
            "metadata": wish.get("metadata"),
        }
        return self._batches[name]


def _answer_file(upload: Path, answers: Path) -> None:
    with upload.open("rb") as lines, answers.open("wb") as out:
        for line in lines:
            if line.startswith(b'{"custom_id"'):
                out.write(_answer_line(orjson.loads(line)))


def _answer_line(line: dict[str, Any]) -> bytes:
    custom_id, body = line["custom_id"], line["body"]
    failed = _FAILING in body["messages"][-1]["content"]
    number = int(custom_id.rpartition("-")[2])
    content = {
        "id": "chatcmpl-" + custom_id,
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": orjson.dumps(answer_of(number)).decode(), "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 110, "completion_tokens": 40, "total_tokens": 150},
    }
    error = {"error": {"message": "The server had an error.", "type": "server_error", "code": None, "param": None}}
    response = {"status_code": 500 if failed else 200, "request_id": "req", "body": error if failed else content}
    return (
        orjson.dumps({"id": "batch_req_" + custom_id, "custom_id": custom_id, "response": response, "error": None})
        + b"\n"
    )


async def _body(receive: Receive) -> bytes:
    pieces = []
    more = True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(pieces)


async def _json(send: Send, content: dict[str, Any]) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps(content)})


def main() -> None:
    """Serve on a free port of this machine; print its address on the first line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    config = uvicorn.Config(Server(options.folder), loop="uvloop", http="httptools", log_level="error", lifespan="off")
    asyncio.run(uvicorn.Server(config).serve(sockets=[listening]))


if __name__ == "__main__":
    main()
