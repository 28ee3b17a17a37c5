"""What tells the requests of a run apart, and the answers that are still at hand."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

import pydantic_core

from batchwright.request import Request, TextPart
from batchwright.run import RowAnswer

_DIGEST_BYTES: Final = 16
_RECENT: Final = 256


class Keys:
    """Digests of requests that differ in nothing but their messages; `about` is all else that makes an answer."""

    def __init__(self, about: Mapping[str, Any]) -> None:
        self._about = hashlib.blake2b(pydantic_core.to_json(dict(about)), digest_size=_DIGEST_BYTES)

    def of(self, request: Request) -> bytes:
        """Return the digest of everything that its messages say."""
        digest = self._about.copy()
        for message in request.messages:
            for part in message.parts:
                data = part.text.encode("utf-8", "surrogatepass") if isinstance(part, TextPart) else part.data
                digest.update(b"%s %d:" % (type(part).__name__.encode(), len(data)))
                digest.update(data)
        return digest.digest()


class Recent:
    """The latest answers, by row."""

    def __init__(self) -> None:
        self._answers: OrderedDict[int, RowAnswer] = OrderedDict()

    def put(self, answer: RowAnswer) -> None:
        """Keep an answer, and no longer the oldest one."""
        self._answers[answer.row] = answer
        if len(self._answers) > _RECENT:
            self._answers.popitem(last=False)

    def get(self, row: int) -> RowAnswer | None:
        """Return the answer of a row, if it is still there."""
        return self._answers.get(row)
