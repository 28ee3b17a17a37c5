"""The least that can be done: stream a table through OpenAI batch jobs with csv, orjson, msgspec and pydantic.

Nothing is remembered, nothing retried, nothing checked but the schema; a run that is cut off is lost and paid for. What
this costs is what batchwright's whole way is compared with, so nothing in it is slower than it has to be.
"""

import argparse
import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import httpx2
import msgspec
import orjson
from batch_marks import FIELDS, JOB_ROWS, MODEL, PATH, SCHEMA, SYSTEM, Marks
from pydantic import BaseModel

_FORMAT = orjson.Fragment(
    orjson.dumps({"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}})
)
_TOLD = orjson.Fragment(orjson.dumps({"role": "system", "content": SYSTEM}))
_PIECE = 1 << 18
_NO_ANSWER = ("", "", "", "")


class Review(BaseModel):
    """What an answer has to be."""

    label: Literal["praise", "complaint", "question", "other"]
    score: int
    urgent: bool
    reason: str


class _Message(msgspec.Struct):
    content: str


class _Choice(msgspec.Struct):
    message: _Message


class _Body(msgspec.Struct):
    choices: list[_Choice] = []


class _Response(msgspec.Struct):
    status_code: int
    body: _Body


class _Line(msgspec.Struct):
    custom_id: str
    response: _Response


def write(source: Path, folder: Path) -> list[Path]:
    """Write the request files."""
    paths = []
    with source.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        next(rows)
        while (first := next(rows, None)) is not None:
            paths.append(folder / f"bare-{len(paths)}.jsonl")
            with paths[-1].open("wb") as out:
                out.write(_request(0, first))
                out.writelines(_request(number, row) for number, row in enumerate(islice(rows, JOB_ROWS - 1), 1))
    return paths


def _request(number: int, row: list[str]) -> bytes:
    asked = {"role": "user", "content": f"Customer {row[0]} wrote: {row[1]}"}
    body = {"model": MODEL, "messages": [_TOLD, asked], "response_format": _FORMAT}
    line = {"custom_id": f"bare-{number}", "method": "POST", "url": PATH, "body": body}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def send(client: httpx2.Client, paths: list[Path]) -> list[str]:
    """Upload the files and create a job for each; return the jobs' names."""
    names = []
    for path in paths:
        with path.open("rb") as file:
            uploaded = client.post("files", data={"purpose": "batch"}, files={"file": (path.name, file)}).json()
        wish = {"input_file_id": uploaded["id"], "endpoint": PATH, "completion_window": "24h"}
        names.append(client.post("batches", json=wish).json()["id"])
    return names


def collect(client: httpx2.Client, names: list[str], source: Path, output: Path) -> int:
    """Download each job's answers, check them and write them beside their rows; return the rows written."""
    before = 0
    with source.open(newline="", encoding="utf-8") as file, output.open("w", newline="", encoding="utf-8") as out:
        rows = csv.reader(file)
        writer = csv.writer(out)
        writer.writerow([*next(rows), *FIELDS])
        for name in names:
            job = client.get(f"batches/{name}").json()
            answers = _answers(client, job["output_file_id"])
            numbered = enumerate(islice(rows, JOB_ROWS))
            writer.writerows([*row, *answers.get(number, _NO_ANSWER)] for number, row in numbered)
            before += job["request_counts"]["total"]
    return before


def _answers(client: httpx2.Client, file_id: str) -> dict[int, tuple[Any, ...]]:
    decode = msgspec.json.Decoder(_Line).decode
    check = Review.__pydantic_validator__.validate_json
    found: dict[int, tuple[Any, ...]] = {}
    for text in _lines(client, file_id):
        line = decode(text)
        if line.response.body.choices:
            review = check(line.response.body.choices[0].message.content)
            found[int(line.custom_id[5:])] = (review.label, review.score, review.urgent, review.reason)
    return found


def _lines(client: httpx2.Client, file_id: str) -> Iterator[bytes]:
    with client.stream("GET", f"files/{file_id}/content") as answer:
        held = b""
        for chunk in answer.iter_bytes(_PIECE):
            *lines, held = (held + chunk).split(b"\n")
            yield from lines


def main() -> None:
    """Run the whole way and print what each part cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    client = httpx2.Client(base_url=f"{options.url}/openai/v1/", headers={"authorization": "Bearer none"}, timeout=600)
    marks = Marks()
    with marks.part("write"):
        paths = write(options.source, options.folder)
    with marks.part("send"):
        names = send(client, paths)
    with marks.part("collect"):
        rows = collect(client, names, options.source, options.folder / "bare.csv")
    marks.tell(rows)


if __name__ == "__main__":
    main()
