"""The raw JSON behind google-genai's typed answers.

The SDK hides an operation's error, counts and input file, warns about states it does not know and may fail to read an
answer that was fine. A response hook on our own HTTP client sees the bytes; this is the only place that does.
"""

import threading
from collections.abc import Callable
from typing import Any

import httpx2

_OK = 200


class Recorder:
    """Keeps the last JSON answer of the thread that is recording; downloads pass untouched, so they stay streams."""

    def __init__(self) -> None:
        self._seen = threading.local()

    def on_response(self, response: httpx2.Response) -> None:
        """Remember a successful answer's body; the hook of the HTTP client."""
        if getattr(self._seen, "recording", False) and response.status_code == _OK:
            self._seen.body = response.read()

    def call(self, action: Callable[[], Any]) -> bytes:
        """Run one SDK call and return the body it was answered with, whether the SDK can make sense of it or not.

        Raises what the SDK raises when there was no successful answer.
        """
        self._seen.recording, self._seen.body = True, None
        try:
            action()
        except Exception:
            if self._seen.body is None:
                raise
        finally:
            body, self._seen.recording, self._seen.body = self._seen.body, False, None
        return body or b""
