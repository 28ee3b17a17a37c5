"""The emulator in process, behind the real SDKs, with a clock that moves when a test says so."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from anthropic import Anthropic
from google import genai
from google.genai.types import HttpOptions
from openai import OpenAI
from starlette.testclient import TestClient

from batchwright.emulator import Scenario, create_app

BASE = "http://testserver"


class Clock:
    """Seconds since 1970 that stand still."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


class InProcessClient(TestClient):
    """google-genai passes a timeout with every call, which the TestClient warns about."""

    def request(self, *args, timeout=None, **kwargs):
        return super().request(*args, **kwargs)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def scenario():
    return Scenario()


@pytest.fixture
def app(clock, scenario, tmp_path):
    app = create_app(tmp_path / "emulator", scenario=scenario, clock=clock)
    yield app
    app.state.world.close()


@pytest.fixture
def http(app):
    with InProcessClient(app, base_url=BASE) as client:
        yield client


@pytest.fixture
def openai(http):
    return OpenAI(api_key="any", base_url=f"{BASE}/openai/v1", http_client=http, max_retries=0)


@pytest.fixture
def anthropic(http):
    return Anthropic(api_key="any", base_url=f"{BASE}/anthropic", http_client=http, max_retries=0)


@pytest.fixture(params=["v1", "v1beta"])
def gemini(http, request):
    options = HttpOptions(base_url=f"{BASE}/gemini", httpx_client=http, api_version=request.param)
    return genai.Client(api_key="any", http_options=options)


@pytest.fixture
def patch_scenario(http):
    def patch(**settings):
        response = http.patch("/_emulator/scenario", json=settings)
        assert response.status_code == 200, response.text

    return patch


@pytest.fixture
def log(http):
    def read(**filters):
        text = http.get("/_emulator/log", params=filters).text
        return [json.loads(line) for line in text.split("\n") if line]

    return read


@pytest.fixture
def recordings():
    root = Path(os.environ.get("BATCHWRIGHT_SHARED") or Path(__file__).parents[3].parent / "shared")
    folder = root / "recordings"
    if not folder.is_dir():
        pytest.skip("the recorded payloads are not here")
    return folder
