"""Connections that are really dropped, on a real port, as the official SDKs and a plain client see them."""

import io
import json

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai.types import HttpOptions

from batchwright.emulator import RunningEmulator, Scenario, Vendor

AT_ONCE = {"validating_s": 0, "in_progress_s": 0, "finalizing_s": 0}
REQUESTS = 40
PROMPT = "hello " * 50
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def emulator():
    with RunningEmulator(scenario=Scenario.everywhere(**AT_ONCE, responder="echo")) as running:
        yield running


@pytest.fixture
def http(emulator):
    with httpx2.Client(base_url=emulator.url, timeout=5) as client:
        client.delete("/_emulator/state")
        client.delete("/_emulator/faults")
        yield client
        client.delete("/_emulator/faults")


class OpenAI:
    """Create a batch through the SDK, and download its results."""

    lost = openai.APIConnectionError

    def __init__(self, url):
        self.client = openai.OpenAI(api_key="k", base_url=f"{url}/openai/v1", max_retries=0, timeout=5)

    def create(self):
        body = {"model": "m", "messages": [{"role": "user", "content": PROMPT}]}
        lines = [{"custom_id": f"n-{n}", "method": "POST", "url": CHAT, "body": body} for n in range(REQUESTS)]
        content = "".join(json.dumps(line) + "\n" for line in lines).encode()
        file = self.client.files.create(file=("in.jsonl", io.BytesIO(content)), purpose="batch")
        return self.client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h").id

    def download(self, job):
        return self.client.files.content(self.client.batches.retrieve(job).output_file_id).read()


class Anthropic:
    """See `OpenAI`."""

    lost = (anthropic.APIConnectionError, httpx2.RemoteProtocolError)

    def __init__(self, url):
        self.client = anthropic.Anthropic(api_key="k", base_url=f"{url}/anthropic", max_retries=0, timeout=5)

    def create(self):
        params = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": PROMPT}]}
        requests = [{"custom_id": f"n-{n}", "params": params} for n in range(REQUESTS)]
        return self.client.messages.batches.create(requests=requests).id

    def download(self, job):
        with self.client.messages.batches.with_streaming_response.results(job) as response:
            return b"".join(response.iter_bytes())


class Gemini:
    """See `OpenAI`."""

    lost = httpx2.RemoteProtocolError

    def __init__(self, url):
        self.http = httpx2.Client()
        options = HttpOptions(base_url=f"{url}/gemini", timeout=5000, httpx_client=self.http)
        self.client = genai.Client(api_key="k", http_options=options)

    def create(self):
        body = {"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]}
        content = "".join(json.dumps({"key": f"n-{n}", "request": body}) + "\n" for n in range(REQUESTS)).encode()
        file = self.client.files.upload(file=io.BytesIO(content), config={"mime_type": "application/jsonl"})
        return self.client.batches.create(model="m", src=file.name).name

    def download(self, job):
        return self.client.files.download(file=self.client.batches.get(name=job).dest.file_name)


SDKS = {Vendor.OPENAI: OpenAI, Vendor.ANTHROPIC: Anthropic, Vendor.GEMINI: Gemini}


@pytest.fixture(params=list(Vendor))
def vendor(request):
    return request.param


@pytest.fixture
def sdk(vendor, emulator):
    speaker = SDKS[vendor](emulator.url)
    yield speaker
    speaker.client.close()
    if vendor is Vendor.GEMINI:
        speaker.http.close()  # given to the SDK, not made by it


@pytest.fixture
def fault(http, vendor):
    def add(name, **more):
        document = {"name": name, "provider": vendor, "times": 1, **more}
        http.post("/_emulator/faults", json=document).raise_for_status()

    return add


@pytest.mark.parametrize(
    ("name", "creates"), [("drop_before", 0), ("drop_after", 1), ("drop_during", 1), ("body_cut", 1)]
)
def test_a_dropped_create_is_lost_to_the_sdk_and_committed_once_or_not_at_all(http, vendor, sdk, fault, name, creates):
    fault(name, on="create")
    with pytest.raises(sdk.lost):
        sdk.create()
    assert http.get("/_emulator/stats").json()[vendor]["creates"] == creates
    sdk.create()
    assert http.get("/_emulator/stats").json()[vendor]["creates"] == creates + 1


@pytest.mark.parametrize("name", ["drop_during", "body_cut"])
def test_a_download_that_breaks_off_is_lost_to_the_sdk_and_whole_the_next_time(http, vendor, sdk, fault, name):
    job = sdk.create()
    fault(name, on="download", fraction=0.7)
    with pytest.raises(sdk.lost):
        sdk.download(job)
    assert sdk.download(job).count(PROMPT.encode()) == REQUESTS


def results_url(http, vendor, job, headers):
    if vendor is Vendor.ANTHROPIC:
        return f"/anthropic/v1/messages/batches/{job}/results"
    if vendor is Vendor.GEMINI:
        return f"/gemini/v1beta/files/batch-{job.removeprefix('batches/')}:download?alt=media"
    batch = http.get(f"/openai/v1/batches/{job}", headers=headers).json()
    return f"/openai/v1/files/{batch['output_file_id']}/content"


def receive(response, came):
    """Add what comes to `came`."""
    for chunk in response.iter_raw():
        came.extend(chunk)


@pytest.mark.parametrize(("name", "promised"), [("drop_during", False), ("body_cut", True)])
def test_what_was_sent_before_the_end_arrives(http, vendor, sdk, fault, name, promised):
    headers = {"authorization": "Bearer k", "anthropic-version": "2023-06-01", "x-goog-api-key": "k"}
    url = results_url(http, vendor, sdk.create(), headers)
    whole = http.get(url, headers=headers).content
    fault(name, on="download", fraction=0.3)
    came = bytearray()
    with http.stream("GET", url, headers=headers) as response:
        assert response.headers.get("content-length") == (str(len(whole)) if promised else None)
        with pytest.raises(httpx2.RemoteProtocolError):
            receive(response, came)
    assert came == whole[: int(len(whole) * 0.3)]


def test_without_an_answer_there_is_not_even_a_status(http, vendor, fault):
    fault("drop_before", on="list")
    url = {
        Vendor.OPENAI: "/openai/v1/batches",
        Vendor.ANTHROPIC: "/anthropic/v1/messages/batches",
        Vendor.GEMINI: "/gemini/v1/batches",
    }
    headers = {"authorization": "Bearer k", "anthropic-version": "2023-06-01", "x-goog-api-key": "k"}
    with pytest.raises(httpx2.RemoteProtocolError, match="without sending a response"):
        http.get(url[vendor], headers=headers)
    assert http.get(url[vendor], headers=headers).status_code == 200


@pytest.mark.parametrize("vendor", [Vendor.OPENAI])
@pytest.mark.parametrize("committed", [False, True])
def test_a_call_that_hangs_ends_when_the_caller_gives_up(http, fault, committed):
    fault("hang", on="live", committed=committed)
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    headers = {"authorization": "Bearer k"}
    with pytest.raises(httpx2.ReadTimeout):
        http.post("/openai/v1/chat/completions", json=body, headers=headers, timeout=0.2)
    assert http.get("/_emulator/stats").json()["openai"]["live"] == int(committed)
    assert http.post("/openai/v1/chat/completions", json=body, headers=headers).status_code == 200


def test_the_emulator_stops_while_a_call_hangs(tmp_path):
    with RunningEmulator() as running, httpx2.Client(base_url=running.url) as client:
        client.post("/_emulator/faults", json={"name": "hang", "on": ["list"]}).raise_for_status()
        with pytest.raises(httpx2.ReadTimeout):
            client.get("/openai/v1/batches", headers={"authorization": "Bearer k"}, timeout=0.1)
