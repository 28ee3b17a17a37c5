import io
import json
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from openai import OpenAI

from batchwright.emulator import RunningEmulator, Scenario

SERVE = """
import sys, pathlib
from batchwright.emulator import serve
serve(data_dir=pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else None, on_ready=lambda url: print(url, flush=True))
"""
LINE = {
    "custom_id": "a",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
}


class Process:
    """The emulator in a process of its own."""

    def __init__(self, *arguments):
        self._process = subprocess.Popen([sys.executable, "-c", SERVE, *arguments], stdout=subprocess.PIPE, text=True)
        self.url = self._process.stdout.readline().strip()

    def stop(self, number):
        self._process.send_signal(number)
        code = self._process.wait(20)
        self._process.stdout.close()
        return code


def client(url):
    return OpenAI(api_key="k", base_url=f"{url}/openai/v1", max_retries=0)


def test_jobs_files_scenario_clock_and_log_survive_a_killed_process(tmp_path):
    first = Process(str(tmp_path))
    with client(first.url) as openai, httpx2.Client(base_url=first.url) as http:
        http.patch("/_emulator/scenario", json={"in_progress_s": 600}).raise_for_status()
        http.post("/_emulator/clock", json={"advance": 100}).raise_for_status()
        file = openai.files.create(file=("in.jsonl", io.BytesIO(json.dumps(LINE).encode())), purpose="batch")
        batch = openai.batches.create(input_file_id=file.id, endpoint=LINE["url"], completion_window="24h")
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    second = Process(str(tmp_path))
    with client(second.url) as openai, httpx2.Client(base_url=second.url) as http:
        assert openai.batches.retrieve(batch.id).status in {"validating", "in_progress"}
        assert http.get("/_emulator/scenario").json()["providers"]["openai"]["in_progress_s"] == 600
        assert http.post("/_emulator/clock", json={"advance": 1000}).json()["offset"] == 1100
        done = openai.batches.retrieve(batch.id)
        assert (done.status, done.request_counts.completed) == ("completed", 1)
        assert json.loads(openai.files.content(done.output_file_id).content)["custom_id"] == "a"
        assert openai.files.retrieve(file.id).filename == "in.jsonl"
        assert http.get("/_emulator/stats").json()["openai"]["creates"] == 1
        assert '"prompt":"hi"' in http.get("/_emulator/log", params={"kind": "request"}).text
    assert second.stop(signal.SIGTERM) == 143


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_process_removes_its_temporary_directory(tmp_path, monkeypatch, number):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process = Process()
    assert httpx2.get(f"{process.url}/_emulator/").json()["emulator"] == "batchwright"
    assert len(list(tmp_path.iterdir())) == 1
    process.stop(number)
    assert list(tmp_path.iterdir()) == []


def test_a_running_emulator_is_ready_when_entered_and_gone_when_left():
    with RunningEmulator(scenario=Scenario.everywhere(fail_every=2)) as emulator:
        data_dir = emulator.world.data_dir
        assert httpx2.get(f"{emulator.url}/_emulator/scenario").json()["providers"]["gemini"]["fail_every"] == 2
        url = emulator.url
    assert not data_dir.exists()
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(url)
    with pytest.raises(RuntimeError, match="with statement"):
        _ = emulator.url


def test_many_polls_at_once_see_one_end():
    params = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    body = {"requests": [{"custom_id": str(n), "params": params} for n in range(500)]}
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    with (
        RunningEmulator(scenario=Scenario.everywhere(in_progress_s=600)) as emulator,
        httpx2.Client(base_url=emulator.url, headers=headers) as http,
        ThreadPoolExecutor(8) as pool,
    ):
        url = f"/anthropic/v1/messages/batches/{http.post('/anthropic/v1/messages/batches', json=body).json()['id']}"
        http.post("/_emulator/clock", json={"advance": 1000})
        answers = list(pool.map(lambda _: http.get(url).text, range(24)))
        log = http.get("/_emulator/log", params={"kind": "answer"}).text
    assert len(set(answers)) == 1
    assert json.loads(answers[0])["request_counts"]["succeeded"] == 500
    assert log.count("\n") == 500


def test_an_upload_that_breaks_off_leaves_nothing(capfd):
    with RunningEmulator() as emulator:
        host, port = emulator.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                b"POST /openai/v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Length: 1000\r\n"
                b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
            )
        incoming = emulator.world.data_dir / "incoming"
        log = httpx2.get(f"{emulator.url}/_emulator/log", params={"kind": "http"}).text
        while '"status":499' not in log:
            log = httpx2.get(f"{emulator.url}/_emulator/log", params={"kind": "http"}).text
        assert list(incoming.iterdir()) == []
        assert httpx2.get(f"{emulator.url}/_emulator/stats").json()["openai"]["uploads"] == 0
    assert capfd.readouterr().err == ""


def test_a_taken_port_is_an_error():
    with RunningEmulator() as emulator, pytest.raises(OSError), RunningEmulator(port=int(emulator.url.split(":")[2])):
        pass


def test_an_upload_that_is_too_large_gets_its_answer_over_a_real_connection():
    scenario = Scenario.parse({"providers": {"anthropic": {"limits": {"max_input_bytes": 1000}}}})
    with RunningEmulator(scenario=scenario) as emulator:
        headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
        url = f"{emulator.url}/anthropic/v1/messages/batches"
        assert httpx2.post(url, content=b"x" * 20_000_000, headers=headers).status_code == 413
