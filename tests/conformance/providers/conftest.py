"""The three providers over their real SDKs, against the emulator in process."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import from_json
from starlette.testclient import TestClient

from batchwright.config import EMULATOR_VARIABLE, PROVIDER_NAMES, Environment
from batchwright.emulator import Scenario, create_app
from batchwright.job import BatchJob
from batchwright.providers.payload import write_payload
from batchwright.providers.registry import open_provider
from batchwright.request import Message, Request

START = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)


@dataclass
class Time:
    """Seconds since 1970 that only move when told to; also a `Clock`."""

    seconds: float = START.timestamp()

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class Emulated:
    """An emulator in process, its clock, and providers that speak to it."""

    http: TestClient
    time: Time
    folder: Path
    uploads: list[str | None] = field(default_factory=list)

    def provider(self, name: str, **options: Any) -> Any:
        environment = Environment({EMULATOR_VARIABLE: "http://testserver"})
        if name == "gemini":
            options.setdefault("clock", self.time)
        return open_provider(name, environment=environment, http_client=self.http, **options)

    def submit(self, provider: Any, requests: list[Request], *, tag: str = "job-01-a1") -> BatchJob:
        payload = self.folder / f"{tag}{provider.wire.suffix}"
        write_payload(payload, provider.wire, requests)
        return provider.submit(payload, tag=tag, before_create=self.uploads.append)

    def finish(self) -> None:
        self.time.seconds += 60

    def stats(self, name: str) -> dict[str, int]:
        return self.http.get("/_emulator/stats").json()[name]

    def log(self, kind: str) -> list[dict[str, Any]]:
        body = self.http.get(f"/_emulator/log?kind={kind}").content
        return [from_json(line) for line in body.split(b"\n") if line]


@pytest.fixture
def emulate(tmp_path: Path) -> Iterator[Callable[..., Emulated]]:
    """Start an emulator with scenario settings, such as `fail_positions=[1]`."""
    opened = []

    def start(**settings: Any) -> Emulated:
        time = Time()
        app = create_app(tmp_path / f"emulator-{len(opened)}", scenario=Scenario.everywhere(**settings), clock=time)
        opened.append(app)
        folder = tmp_path / "payloads"
        folder.mkdir(exist_ok=True)
        return Emulated(http=TestClient(app), time=time, folder=folder)

    yield start
    for app in opened:
        app.state.world.close()


@pytest.fixture(params=PROVIDER_NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Each provider's name in turn."""
    return request.param


def ask(number: int, text: str, *, tag: str = "job-01-a1", **options: Any) -> Request:
    return Request(custom_id=f"{tag}-{number}", messages=(Message.text(text),), **options)


@pytest.fixture
def make_request() -> Callable[..., Request]:
    return ask
