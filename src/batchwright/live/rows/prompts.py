"""Prompts from a loop, answered in their order while later ones are being asked."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from batchwright.checker import AnswerChecker
from batchwright.live.engine.answering import Answered, Ask, LiveEngine
from batchwright.live.rows.lane import Lane
from batchwright.live.rows.repeats import Repeats
from batchwright.live.rows.responses import response_again, response_of
from batchwright.request import Message, OutputSchema, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """A prompt that has no response yet."""

    number: int
    first: int
    """The number of the first prompt that was this; its own, where it is asked itself."""
    prompt: str


@dataclass(slots=True, kw_only=True)
class PromptRun:
    """Asks prompts; good for one `answers`."""

    engine: LiveEngine
    most: int
    """Prompts, at most, that are drawn and have no response yet."""
    system: str | None = None
    schema: OutputSchema | None = None
    response_model: type[BaseModel] | None = None
    dedupe: bool = True
    """Whether equal prompts are asked once."""
    _arrived: dict[int, Answered] = field(default_factory=dict)
    _open: deque[_Open] = field(default_factory=deque)

    def answers(self, prompts: Iterable[str]) -> Iterator[tuple[str, Any]]:
        """Yield each prompt with its response, in order. Raises what ends the engine, after what came before that."""
        checker = None if self.schema is None else AnswerChecker(self.schema)
        with ExitStack() as stack:
            repeats = stack.enter_context(Repeats()) if self.dedupe else None
            lane = Lane(self.engine)
            stack.callback(lane.close)
            for number, prompt in enumerate(prompts):
                first = number if repeats is None else repeats.first(prompt, number)
                if first == number:
                    lane.put(Ask(request=self._request(number, prompt), context=number))
                self._open.append(_Open(number=number, first=first, prompt=prompt))
                if len(self._open) >= self.most:
                    yield self._oldest(lane, repeats, checker)
            lane.put(None)
            while self._open:
                yield self._oldest(lane, repeats, checker)

    def _request(self, number: int, prompt: str) -> Request:
        return Request(
            custom_id=f"prompt-{number}",
            messages=(Message.text(prompt),),
            system=self.system,
            output_schema=self.schema,
        )

    def _oldest(self, lane: Lane, repeats: Repeats | None, checker: AnswerChecker | None) -> tuple[str, Any]:
        """Return the oldest open prompt with its response; an equal one before it was the oldest before."""
        oldest = self._open[0]
        if repeats is not None and oldest.first != oldest.number:
            response = response_again(repeats.again(oldest.first), checker, self.response_model)
        else:
            answered = self._wait_for(oldest.number, lane)
            if repeats is not None:
                repeats.keep(oldest.number, answered)
            response = response_of(answered, checker, self.response_model)
        self._open.popleft()
        return oldest.prompt, response

    def _wait_for(self, number: int, lane: Lane) -> Answered:
        while number not in self._arrived:
            got = lane.answers.get()
            if isinstance(got, BaseException):
                raise got
            assert got is not None, "an engine that ends early raises"
            self._arrived[got.ask.context] = got
        return self._arrived.pop(number)
