"""The live benchmark: what it asks of a figure, what its server allows, and that it runs."""

import asyncio
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHES = Path(__file__).parents[2] / "scripts" / "benches"


@pytest.fixture(scope="module")
def load():
    loaded = []

    def load_one(name):
        spec = importlib.util.spec_from_file_location(f"bench_{name}", BENCHES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look their module up
        loaded.append(spec.name)
        spec.loader.exec_module(module)
        return module

    yield load_one
    for name in loaded:
        del sys.modules[name]


@pytest.fixture(scope="module")
def live(load):
    return load("live")


@pytest.fixture(scope="module")
def server(load):
    return load("live_server")


@pytest.mark.parametrize(
    ("ours", "met"),
    [
        ({"cpu_ms": 0.2, "rate": 500}, [True, True, True]),
        ({"cpu_ms": 0.21, "rate": 500}, [True, False, True]),
        ({"cpu_ms": 0.41, "rate": 500}, [False, False, True]),
        ({"cpu_ms": 0.2, "rate": 499}, [True, True, False]),
    ],
)
def test_an_adapter_is_held_to_the_sdk_and_to_the_bare_loop(live, ours, met):
    ours = live.Best(peak_mb=1, **ours)
    bare, sdk = live.Best(rate=1000, cpu_ms=0.1, peak_mb=1), live.Best(rate=100, cpu_ms=2.0, peak_mb=1)
    assert [demand.holds for demand in live.overhead_demands("one", ours, bare, sdk)] == met


def test_the_best_of_several_runs_is_taken_figure_by_figure(live):
    runs = [
        live.Cost(calls=100, wall_s=1.0, cpu_s=0.4, peak_bytes=3_000_000),
        live.Cost(calls=100, wall_s=2.0, cpu_s=0.2, peak_bytes=2_000_000),
    ]
    assert live.Best.of(runs) == live.Best(rate=100.0, cpu_ms=2.0, peak_mb=2.0)


def ask(service, path="/v1/chat/completions"):
    said = []

    async def receive():
        return {"type": "http.request", "body": b"{}"}

    async def send(message):
        said.append(message)

    asyncio.run(service({"type": "http", "path": path}, receive, send))
    return said[0]["status"], json.loads(said[1]["body"])


def test_the_server_takes_as_much_as_is_allowed_and_counts_what_it_refuses(server, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(server.time, "monotonic", lambda: now[0])
    service = server.Service(allowed=4)
    assert [ask(service)[0] for _ in range(6)] == [200] * 4 + [429] * 2
    now[0] += 0.5
    assert [ask(service)[0] for _ in range(3)] == [200, 200, 429]
    now[0] += 10
    assert [ask(service)[0] for _ in range(5)] == [200] * 4 + [429]
    assert ask(service, "/refusals") == (200, {"refusals": 4})


def test_a_refused_call_uses_up_what_has_come_back(server, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(server.time, "monotonic", lambda: now[0])
    service = server.Service(allowed=4)
    assert [ask(service)[0] for _ in range(4)] == [200] * 4
    for _ in range(5):
        now[0] += 0.2
        assert ask(service)[0] == 429
    now[0] += 0.25
    assert ask(service)[0] == 200


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1beta/models/m:generateContent"]
)
def test_the_server_answers_every_vendor(server, path):
    status, body = ask(server.Service(), path)
    assert status == 200
    assert "river" in json.dumps(body)


@pytest.fixture(scope="module")
def bench(live):
    return live.Bench(live.QUICK, live.VENDORS)


@pytest.fixture(scope="module")
def url(bench):
    with bench.server() as url:
        yield url


@pytest.mark.parametrize(
    ("way", "vendor"),
    [
        ("ours", "openai-chat"),
        ("ours", "openai-responses"),
        ("ours", "anthropic"),
        ("ours", "gemini"),
        ("bare", "gemini"),
    ],
)
def test_a_run_gets_all_its_answers(bench, url, way, vendor):
    cost = bench.run(way, calls=30, workers=5, url=url, vendor=vendor, warm=5)
    assert cost.calls == 30
    assert cost.cpu_s > 0


def test_it_says_what_it_found_and_fails_for_what_is_missed():
    command = [sys.executable, str(BENCHES / "live.py"), "--quick", "--parts", "memory"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "met    peak of many items" in done.stdout
    assert "all 1 met" in done.stdout
