"""Requests answered by a model of the llm tool: asynchronously where it can be, else each in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

import llm
from llm.models import ModelWithAliases

from batchwright.answer import wrap_list_root
from batchwright.errors import LLMInvalidRequestError, LLMProviderConfigurationError, LLMQuotaError
from batchwright.live.engine.outcomes import failed_result
from batchwright.plugins.llm.clients import KeptClients
from batchwright.plugins.llm.failures import ours
from batchwright.plugins.llm.log import AnswerLog
from batchwright.plugins.llm.models import Vendor
from batchwright.plugins.llm.reading import result_of, usage_of
from batchwright.plugins.llm.tools import Toolset
from batchwright.providers.base import Answerer
from batchwright.request import DocumentPart, ImagePart, Part, Request, TextPart
from batchwright.result import Result

T = TypeVar("T")

CHAIN_LIMIT: Final = 5
"""Rounds of tools that a prompt may take, as in the tool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """What every prompt of a run is asked with."""

    options: Mapping[str, Any] = field(default_factory=dict)
    """The model's own, by name."""
    toolset: Toolset | None = None
    chain_limit: int = CHAIN_LIMIT
    """0: no limit."""
    fragments: Sequence[tuple[str, int]] = ()
    """Source and length of the fragments that every prompt begins with, each followed by a line end."""


class LlmAnswerer(Answerer):
    """Asks one model of the llm tool, and logs what it answers."""

    def __init__(self, found: ModelWithAliases, vendor: Vendor, how: How, *, log: AnswerLog | None = None) -> None:
        self.name = vendor.name
        self.model = vendor.model
        self._asked: Any = found.async_model or found.model
        self._is_async = found.async_model is not None
        self._how = how
        self._log = log
        self._clients = KeptClients(self._asked)

    async def complete(self, request: Request) -> Result:
        """Ask the model. What it refuses comes back failed; trouble with the connection or the account is raised."""
        done: list[Any] = []
        try:
            await self._ask(self._arguments(request), done)
        except Exception as exc:  # noqa: BLE001  (whatever a plugin raises)
            return self._failed(request, exc, done)
        result = result_of(request.custom_id, done)
        if self._log is not None:
            await self._log.add(done)
        return result

    async def aclose(self) -> None:
        """Close the model's connections, and write what waits for the log."""
        await self._clients.aclose()
        if self._log is not None:
            await self._log.aclose()

    async def _ask(self, arguments: dict[str, Any], done: list[Any]) -> None:
        """Ask, and add to `done` each response as it is finished: several where tools were called."""
        if self._is_async:
            async for response in self._responses(arguments):
                await response
                done.append(await response.to_sync_response())
            return
        await in_thread(lambda: self._ask_here(arguments, done))

    def _ask_here(self, arguments: dict[str, Any], done: list[Any]) -> None:
        if self._how.toolset is None:
            response = self._asked.prompt(stream=False, **arguments)
            response.text()
            done.append(response)
            return
        for response in self._chain(arguments).responses():
            response.text()
            done.append(response)

    async def _responses(self, arguments: dict[str, Any]) -> Any:
        if self._how.toolset is None:
            yield self._asked.prompt(stream=False, **arguments)
            return
        async for response in self._chain(arguments).responses():
            yield response

    def _chain(self, arguments: dict[str, Any]) -> Any:
        assert self._how.toolset is not None, "asked only then"
        conversation = self._asked.conversation(chain_limit=self._how.chain_limit)
        return conversation.chain(stream=False, tools=self._how.toolset(), **arguments)

    def _arguments(self, request: Request) -> dict[str, Any]:
        """Return a request as the tool's models take it. Raises `LLMInvalidRequestError` for what they cannot."""
        if len(request.messages) != 1:
            raise LLMInvalidRequestError("a model of the llm tool is asked one message at a time here")
        parts = request.messages[0].parts
        fragments, text = apart(
            "\n".join(part.text for part in parts if isinstance(part, TextPart)), self._how.fragments
        )
        schema = None if request.output_schema is None else wrap_list_root(request.output_schema).schema
        return {
            "prompt": text,
            "fragments": fragments,
            "attachments": attachments_of(parts),
            "system": request.system,
            "schema": None if schema is None else dict(schema),
            "options": dict(self._how.options),
        }

    def _failed(self, request: Request, exc: Exception, done: Sequence[Any]) -> Result:
        error = ours(exc, model_id=self._asked.model_id, provider_name=self.name, needs_key=self._asked.needs_key)
        result = replace(failed_result(request.custom_id, error), usage=usage_of(done))
        is_of_account = isinstance(error, (LLMQuotaError, LLMProviderConfigurationError))
        if is_of_account or not (result.usage.total_tokens or isinstance(error, LLMInvalidRequestError)):
            raise error from exc
        return result  # refused, or paid for in part


async def in_thread(work: Callable[[], T]) -> T:
    """Return what `work` does, in a daemon thread of its own: leaving the program never waits for a call."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def told(outcome: T | None, error: BaseException | None) -> None:
        if future.done():  # nobody waits any more
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(outcome)  # type: ignore[arg-type]  # no error means that work returned a T

    def run() -> None:
        outcome, error = None, None
        try:
            outcome = work()
        except BaseException as exc:  # noqa: BLE001  (raised again where it is waited for)
            error = RuntimeError("StopIteration") if isinstance(exc, StopIteration) else exc
        if not loop.is_closed():
            loop.call_soon_threadsafe(told, outcome, error)

    threading.Thread(target=run, name="batchwright-llm", daemon=True).start()
    return await future


def apart(text: str, fragments: Sequence[tuple[str, int]]) -> tuple[list[llm.Fragment], str]:
    """Return the fragments that a prompt begins with, which are logged once for all, and the rest.

    `fragments` are as in `How`.
    """
    found = []
    for source, length in fragments:
        found.append(llm.Fragment(text[:length], source))
        text = text[length + 1 :]
    return found, text


def attachments_of(parts: Sequence[Part]) -> list[llm.Attachment]:
    """Return the images and documents among a message's parts as the tool has them."""
    return [
        llm.Attachment(type=part.media_type, content=part.data)
        for part in parts
        if isinstance(part, (ImagePart, DocumentPart))
    ]
