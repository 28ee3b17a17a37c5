"""From a page to what is sent for it: the caller's builder, and what its return values mean."""

import inspect
import itertools
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from batchwright.errors import ConfigurationError
from batchwright.live.processor.undertaking import words_of
from batchwright.live.stage.nouns import LLMBatchConfig, LLMRequest
from batchwright.live.stage.reading import Reading
from batchwright.live.stage.requests import to_request
from batchwright.providers.model_names import Route, route_of
from batchwright.request import Request

PAGE = "page_num"
"""What a builder's page is called in the guide; where a builder has no such parameter, its first one is the page."""
EXTRA = "extra_data"
"""Where in `metadata` the second value of a builder's pair is found."""

_PAIR = 2
_NOT_THEIRS = (str(Path(__file__).parents[2]), str(Path(traceback.__file__).parent))
"""Our own code, and Python's."""
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)


@dataclass(slots=True, eq=False)
class Prepared:
    """A page whose request is ready to be sent."""

    page: Any
    request: LLMRequest
    route: Route
    sent: Request
    reading: Reading | None = field(default=None)
    """What its newest answer says."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A page that is not asked about."""

    page: Any


@dataclass(frozen=True, slots=True)
class NotBuilt:
    """A page whose request could not be made."""

    page: Any
    error: str


Outcome = Prepared | Skipped | NotBuilt


@dataclass(frozen=True, slots=True)
class BoundBuilder:
    """A builder with everything but the page filled in."""

    builder: Callable[..., Any]
    page_by_name: bool
    arguments: Mapping[str, Any]
    ignored: tuple[str, ...] = ()
    """Arguments that were given and that the builder does not take."""

    def __call__(self, page: Any) -> Any:
        """Build the request of `page`."""
        if self.page_by_name:
            return self.builder(**{PAGE: page}, **self.arguments)
        return self.builder(page, **self.arguments)


def bind(builder: Callable[..., Any], given: Mapping[str, Any], offered: Mapping[str, Any]) -> BoundBuilder:
    """Fill in the parameters that `builder` names from `given`, then from `offered`.

    Raises `TypeError` for one that is required and in neither, or that is given and would be the page.
    """
    try:
        parameters = inspect.signature(builder).parameters.values()
    except ValueError:  # some that are written in C do not say
        return BoundBuilder(builder, page_by_name=False, arguments=dict(given))
    page = _page_parameter(parameters)
    if page is None:
        raise TypeError(f"request_builder takes no page: its first parameter is the page, or it has one named {PAGE}")
    if page.name in given:
        raise TypeError(f"{page.name} is the page itself, which comes from `pages`; do not give it as an argument")
    named = {parameter.name: parameter for parameter in parameters if parameter.kind in _NAMED and parameter != page}
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    arguments = {name: value for name, value in offered.items() if name in named}
    arguments |= {name: value for name, value in given.items() if takes_any or name in named}
    missing = [
        name
        for name, parameter in named.items()
        if parameter.default is inspect.Parameter.empty and name not in arguments
    ]
    if missing:
        wanted = ", ".join(f"{name}=…" for name in missing)
        raise TypeError(f"request_builder needs {wanted}; give it to batch_process_with_preparation")
    return BoundBuilder(
        builder,
        page_by_name=page.name == PAGE and page.kind in _NAMED,
        arguments=arguments,
        ignored=tuple(name for name in given if name not in arguments),
    )


def _page_parameter(parameters: Iterable[inspect.Parameter]) -> inspect.Parameter | None:
    positional = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
    named = [parameter for parameter in parameters if parameter.name == PAGE and parameter.kind in _NAMED]
    return next(iter(named + positional), None)


class Preparing:
    """Makes one outcome of each page; called from several threads at once."""

    def __init__(
        self, builder: Callable[[Any], Any], *, config: LLMBatchConfig, is_completed: Callable[[Any], bool]
    ) -> None:
        self._builder = builder
        self._config = config
        self._is_completed = is_completed
        self._numbers = itertools.count(1)

    def __call__(self, page: Any) -> Outcome:
        """Build; an exception is the page's."""
        try:
            if self._is_completed(page):
                return Skipped(page)
            built = self._builder(page)
            return Skipped(page) if built is None else self._prepared(page, built)
        except Exception as exc:  # noqa: BLE001  (the caller's code: whatever it raises fails this page alone)
            return NotBuilt(page, f"the request builder failed: {told(exc)}")

    def _prepared(self, page: Any, built: Any) -> Prepared:
        request, metadata = built, {}
        if isinstance(built, tuple) and len(built) == _PAIR:
            request, metadata = built[0], {EXTRA: built[1]}
        if not isinstance(request, LLMRequest):
            raise TypeError(
                "a request builder returns None, an LLMRequest or (LLMRequest, extra data), not "
                f"{type(built).__qualname__}"
            )
        request = replace(request, metadata={**request.metadata, **metadata})
        name = request.model or self._config.model
        if name is None:
            raise ConfigurationError("no model: give LLMBatchConfig or the LLMRequest one")
        route = route_of(name, base_url=self._config.base_url)
        # Its number, not its id: that is the caller's, and may be of any form and there twice.
        sent = to_request(request, self._config, model=route.model, custom_id=f"page-{next(self._numbers)}")
        return Prepared(page=page, request=request, route=route, sent=sent)


def told(exc: BaseException) -> str:
    """Return an exception in a line, with the last place in the caller's own code that it came through."""
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(exc.__traceback__)]
    own = [place for place in places if not place[0].startswith(_NOT_THEIRS) and "site-packages" not in place[0]]
    where = "".join(f" ({Path(file).name}:{line})" for file, line in (own or places)[-1:])
    text = " ".join(words_of(exc).split())
    return f"{type(exc).__name__}: {text}{where}" if text else f"{type(exc).__name__}{where}"
