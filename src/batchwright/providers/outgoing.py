"""The body of a create that carries its requests itself, sent from a file: it knows whether it has left whole."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from batchwright.errors import LLMConnectionError, LLMOutcomeUnknownError

_CHUNK_BYTES = 1 << 16


class Outgoing:
    """The bytes of `file`, which can be sent once; `before_last` is called before the last of them are handed over.

    A vendor cannot act upon half a body. So as long as `before_last` has not returned, nothing was created, however
    the sending ends.
    """

    def __init__(self, file: IO[bytes], before_last: Callable[[], None]) -> None:
        self._file = file
        self._before_last = before_last
        self._whole = False
        self._trouble: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        chunk = self._file.read(_CHUNK_BYTES)
        while following := self._file.read(_CHUNK_BYTES):
            yield chunk
            chunk = following
        try:
            self._before_last()
        except Exception as exc:
            self._trouble = exc
            raise
        self._whole = True
        yield chunk

    @contextmanager
    def judged(self, provider_name: str) -> Iterator[None]:
        """Run the create; an unknown outcome is none when the body did not leave whole.

        Raises `LLMConnectionError` then, or what `before_last` raised.
        """
        try:
            yield
        except LLMOutcomeUnknownError as exc:
            if self._trouble is not None:
                raise self._trouble from None
            if self._whole:
                raise
            raise LLMConnectionError(
                f"{provider_name} did not take the whole of the job: the connection failed while it was being sent, so "
                "nothing was created; check the network and try again",
                provider_name=provider_name,
            ) from exc
