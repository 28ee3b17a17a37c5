"""Telling the model what was wrong with its earlier answer. Pure; both engines do it."""

from dataclasses import replace

from batchwright.request import Message, Request, Role, TextPart
from batchwright.tasks.base import Handled


def complaint_about(handled: Handled) -> str:
    """Return what there is to say against an answer that arrived and did not give every item its row."""
    return "; ".join(handled.warnings) or "it left some items out."


def with_complaint(request: Request, complaint: str) -> Request:
    """Return the request, its last question preceded by why the earlier answer could not be used."""
    *earlier, last = request.messages
    text = (
        f"An earlier answer to this request could not be used: {complaint}\n"
        "Answer again, exactly in the form that is asked for.\n\n"
    )
    return replace(request, messages=(*earlier, Message(role=Role.USER, parts=(TextPart(text=text), *last.parts))))
