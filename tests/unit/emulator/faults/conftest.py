"""The three vendors' APIs in the fewest words, over raw HTTP: what arrives is what the emulator sent."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from batchwright.emulator import Operation, Vendor

KEYS = {
    Vendor.OPENAI: {"authorization": "Bearer k"},
    Vendor.ANTHROPIC: {"x-api-key": "k", "anthropic-version": "2023-06-01"},
    Vendor.GEMINI: {"x-goog-api-key": "k"},
}
BATCHES = {
    Vendor.OPENAI: "/openai/v1/batches",
    Vendor.ANTHROPIC: "/anthropic/v1/messages/batches",
    Vendor.GEMINI: "/gemini/v1beta/batches",
}


def request_body(vendor, text):
    if vendor is Vendor.GEMINI:
        return {"contents": [{"role": "user", "parts": [{"text": text}]}]}
    return {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": text}]}


def input_line(vendor, name, text):
    body = request_body(vendor, text)
    if vendor is Vendor.OPENAI:
        return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}
    return {"custom_id": name, "params": body} if vendor is Vendor.ANTHROPIC else {"key": name, "request": body}


@dataclass
class Api:
    """One vendor; texts are sent as requests `n-0`, `n-1`, ..."""

    vendor: Vendor
    http: Any
    inline: bool = False

    def send(self, method, path, **more):
        headers = KEYS[self.vendor] | more.pop("headers", {})
        return self.http.request(method, path, headers=headers, **more)

    # Calls, as raw responses

    def upload(self, *texts):
        lines = [input_line(self.vendor, f"n-{n}", text) for n, text in enumerate(texts)]
        content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        if self.vendor is Vendor.OPENAI:
            files = {"file": ("in.jsonl", content, "application/octet-stream")}
            return self.send("POST", "/openai/v1/files", data={"purpose": "batch"}, files=files)
        headers = {
            "x-goog-upload-protocol": "resumable",
            "x-goog-upload-command": "start",
            "x-goog-upload-header-content-type": "application/jsonl",
        }
        start = self.send("POST", "/gemini/upload/v1beta/files", headers=headers, json={"file": {}})
        if start.status_code != 200:
            return start
        headers = {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "0"}
        return self.send("POST", start.headers["x-goog-upload-url"], headers=headers, content=content)

    def create(self, *texts):
        texts = texts or ("hello",)
        if self.vendor is Vendor.ANTHROPIC:
            lines = [input_line(self.vendor, f"n-{n}", text) for n, text in enumerate(texts)]
            return self.send("POST", BATCHES[self.vendor], json={"requests": lines})
        if not self.inline:
            return self.create_from(self.uploaded(*texts))
        items = [
            {"request": request_body(self.vendor, text), "metadata": {"key": f"n-{n}"}} for n, text in enumerate(texts)
        ]
        return self._create_gemini({"requests": {"requests": items}})

    def create_from(self, file):
        """Create a job from an uploaded file."""
        if self.vendor is Vendor.GEMINI:
            return self._create_gemini({"fileName": file})
        body = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        return self.send("POST", BATCHES[self.vendor], json=body)

    def _create_gemini(self, source):
        path = "/gemini/v1beta/models/m:batchGenerateContent"
        return self.send("POST", path, json={"batch": {"inputConfig": source, "displayName": "tag"}})

    def delete_file(self, file):
        path = f"/gemini/v1beta/{file}" if self.vendor is Vendor.GEMINI else f"/openai/v1/files/{file}"
        return self.send("DELETE", path)

    def get(self, job):
        return self.send("GET", f"{BATCHES[self.vendor]}/{job.removeprefix('batches/')}")

    def list(self):
        return self.send("GET", BATCHES[self.vendor])

    def cancel(self, job):
        mark = ":cancel" if self.vendor is Vendor.GEMINI else "/cancel"
        return self.send("POST", f"{BATCHES[self.vendor]}/{job.removeprefix('batches/')}{mark}")

    def download(self, job, part="output"):
        if self.vendor is Vendor.ANTHROPIC:
            return self.send("GET", f"{BATCHES[self.vendor]}/{job}/results")
        if self.vendor is Vendor.GEMINI:
            return self.send("GET", f"/gemini/v1beta/files/batch-{job.removeprefix('batches/')}:download?alt=media")
        return self.send("GET", f"/openai/v1/files/{self.get(job).json()[f'{part}_file_id']}/content")

    def live(self, text="hello"):
        path = {
            Vendor.OPENAI: "/openai/v1/chat/completions",
            Vendor.ANTHROPIC: "/anthropic/v1/messages",
            Vendor.GEMINI: "/gemini/v1beta/models/m:generateContent",
        }
        return self.send("POST", path[self.vendor], json=request_body(self.vendor, text))

    def call(self, operation, job=None):
        """Any one call of the operation; `job` for those that are about one."""
        match operation:
            case Operation.GET | Operation.CANCEL | Operation.DOWNLOAD:
                return getattr(self, str(operation))(job)
            case Operation.UPLOAD:
                return self.upload("hello")
            case _:
                return getattr(self, str(operation))()

    # What is in the answers

    def uploaded(self, *texts):
        """The name of a new file."""
        document = self.upload(*texts).json()
        return document["file"]["name"] if self.vendor is Vendor.GEMINI else document["id"]

    def made(self, *texts):
        """The name of a new job."""
        response = self.create(*texts)
        assert response.status_code == 200, response.text
        return response.json()["name" if self.vendor is Vendor.GEMINI else "id"]

    def listed(self):
        response = self.list().json()
        items = response.get("operations", []) if self.vendor is Vendor.GEMINI else response["data"]
        return [item["name" if self.vendor is Vendor.GEMINI else "id"] for item in items]

    def status(self, job):
        document = self.get(job).json()
        if self.vendor is Vendor.GEMINI:
            return document["metadata"]["state"].removeprefix("BATCH_STATE_").lower()
        return document["processing_status" if self.vendor is Vendor.ANTHROPIC else "status"]

    def lines(self, job, part="output"):
        """The lines of a results file, without their ends."""
        return self.download(job, part).content.split(b"\n")

    def results(self, job, part="output"):
        """The result documents by id, in the order of the file."""
        found = [json.loads(line) for line in self.lines(job, part) if line]
        return [(document.get("custom_id") or document["key"], document) for document in found]

    def answer_in(self, document):
        """(text, why it stopped) of a live answer, or of the answer in a result line."""
        if self.vendor is Vendor.OPENAI:
            choice = document.get("response", {"body": document})["body"]["choices"][0]
            return choice["message"]["content"], choice["finish_reason"]
        if self.vendor is Vendor.ANTHROPIC:
            message = document["result"]["message"] if "result" in document else document
            return "".join(block["text"] for block in message["content"]), message["stop_reason"]
        candidate = document.get("response", document)["candidates"][0]
        return "".join(part["text"] for part in candidate["content"]["parts"]), candidate["finishReason"]


@pytest.fixture
def api_of(http):
    def make(vendor, **more):
        return Api(vendor=Vendor(vendor), http=http, **more)

    return make


@pytest.fixture(params=list(Vendor))
def api(api_of, request):
    return api_of(request.param)


@pytest.fixture
def faults(http):
    """Set a fault, for one vendor or for all."""

    def add(name, vendor=None, **more):
        document = {"name": name, **({"provider": str(vendor)} if vendor else {}), **more}
        response = http.post("/_emulator/faults", json=document)
        assert response.status_code == 200, response.text
        return response.json()["faults"]

    return add


@pytest.fixture
def strikes(http):
    """How often the faults that are set have struck."""

    def read():
        return [fault["strikes"] for fault in http.get("/_emulator/faults").json()["faults"]]

    return read


@pytest.fixture
def stats(http):
    def read(vendor):
        return http.get("/_emulator/stats").json()[str(vendor)]

    return read
