"""Requests that differ in nothing but their id and one text, encoded once and then only filled in.

A million rows of one table become a million requests of one shape. So a sample of the shape goes through the vendor's
own `encode`, with marks where the id and the text belong, and its bytes are cut at the marks: what is written is what
`encode` would have written, at a tenth of the price.
"""

from dataclasses import dataclass, replace

from pydantic_core import to_json

from batchwright.providers.base import WireFormat
from batchwright.request import Message, Request, Role, TextPart

_ID_MARK = "job-mark-a1-0"
_TEXT_MARK = "\ue000text\ue001"
"""Private-use characters: no prompt of anybody's holds them in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRequest:
    """The bytes of a request around its id and its text."""

    head: bytes
    middle: bytes
    tail: bytes

    def encode(self, custom_id: str, text: str) -> bytes:
        """Return the request with this id and this text, exactly as the wire format would encode it."""
        return b"%b%b%b%b%b" % (self.head, custom_id.encode("ascii"), self.middle, to_json(text)[1:-1], self.tail)


def prepare(wire: WireFormat, request: Request) -> PreparedRequest | None:
    """Return `request` with room for an id and for the text of its last message.

    None where the vendor's form has no single place for each, or the request is more than one text: such requests are
    encoded one by one. Raises `ConfigurationError` for a request that the vendor cannot take.
    """
    if not request.messages or not _is_one_text(request.messages[-1]):
        return None
    marked = replace(
        request,
        custom_id=_ID_MARK,
        messages=(*request.messages[:-1], Message(role=Role.USER, parts=(TextPart(text=_TEXT_MARK),))),
    )
    sample = wire.encode(marked)
    head, id_found, rest = sample.partition(_ID_MARK.encode("ascii"))
    middle, text_found, tail = rest.partition(to_json(_TEXT_MARK)[1:-1])
    if not id_found or not text_found or _TEXT_MARK.encode() in tail or _ID_MARK.encode() in tail:
        return None
    return PreparedRequest(head=head, middle=middle, tail=tail)


def _is_one_text(message: Message) -> bool:
    return message.role is Role.USER and len(message.parts) == 1 and isinstance(message.parts[0], TextPart)
