"""The usual result line, from its bytes to a `Result` in one step of compiled code.

Nearly every line of a results file is the answer of a model that was done and was refused nothing. Each vendor's `wire`
says where in such a line the parts of a `Result` stand and what else must be so (`PlainAnswers`); a line of any other
kind is read the long way, field by field. Nothing but speed: of every line that both can read they say the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

from pydantic_core import CoreConfig, SchemaValidator, ValidationError, core_schema

from batchwright.providers.reading import MOST
from batchwright.result import FinishReason, Result, ResultStatus
from batchwright.usage import Usage

Place = tuple[str | int, ...]
"""Where something stands in a line: names of objects and numbers in lists, from the outside in."""

TEXT: Final = core_schema.str_schema(strict=True)
NAME: Final = core_schema.str_schema(strict=True, min_length=1)
"""A text that is not empty: an empty one means "nothing", which the long way sees to."""
NOTHING: Final = core_schema.with_default_schema(core_schema.none_schema(), default=None)
"""Null, or not there."""
ABSENT: Final = core_schema.with_default_schema(core_schema.int_schema(gt=1, lt=0), default=None)
"""Not there at all: no value is right."""

_COUNT: Final = core_schema.int_schema(strict=True, ge=0, le=MOST)
_COUNT_OR_NOT: Final = core_schema.with_default_schema(_COUNT, default=0)
_SAME: Final[Mapping[str, Any]] = {
    "status": ResultStatus.SUCCEEDED,
    "failure": None,
    "finish_reason": FinishReason.STOP,
    "position": None,
}
"""What every plain answer is."""


def word(value: str | int) -> core_schema.CoreSchema:
    """Return the check for this value and no other."""
    return core_schema.literal_schema([value])


def counts(
    *, input_tokens: Place, output_tokens: Place, cached: Place, cache_write: Place, reasoning: Place
) -> core_schema.CoreSchema:
    """Return how usage is read where each count is a number of its own, at these places in the usage object.

    The first two must be there.
    """
    return _made(
        Usage,
        [
            _field("input_tokens", _COUNT, input_tokens),
            _field("output_tokens", _COUNT, output_tokens),
            _field("cached_tokens", _COUNT_OR_NOT, cached),
            _field("cache_write_tokens", _COUNT_OR_NOT, cache_write),
            _field("reasoning_tokens", _COUNT_OR_NOT, reasoning),
        ],
    )


def worked_out(usage: Callable[[Any], Usage]) -> core_schema.CoreSchema:
    """Return how usage is read where it takes arithmetic; `usage` gets what stands there, whatever that is."""
    return core_schema.no_info_plain_validator_function(usage)


class PlainAnswers:
    """Reads one vendor's usual result lines. `checks` are what must stand elsewhere in such a line."""

    def __init__(
        self,
        *,
        custom_id: Place,
        text: Place,
        usage: tuple[Place, core_schema.CoreSchema],
        model: Place,
        request_id: Place,
        checks: Mapping[Place, core_schema.CoreSchema],
    ) -> None:
        found = [
            _field("custom_id", NAME, custom_id),
            _field("text", TEXT, text),
            _field("usage", usage[1], usage[0]),
            _field("model", NAME, model),
            _field("request_id", NAME, request_id),
        ]
        constant = [core_schema.dataclass_field(name, _always(value), init=False) for name, value in _SAME.items()]
        checked = [
            core_schema.dataclass_field(f"check_{number}", check, validation_alias=[list(place)], init_only=True)
            for number, (place, check) in enumerate(checks.items())
        ]
        # Strings are not kept for the next line: all but the model's name are another one in each.
        self._read = SchemaValidator(
            _made(Result, [*found, *constant, *checked]), CoreConfig(cache_strings=False)
        ).validate_json

    def read(self, line: bytes) -> Result | None:
        """Return the answer in a line; None for a line of any other kind, be it JSON or not."""
        try:
            result: Result = self._read(line)
        except ValidationError:
            return None
        return result


def _field(name: str, schema: core_schema.CoreSchema, place: Place) -> core_schema.DataclassField:
    return core_schema.dataclass_field(name, schema, validation_alias=[list(place)])


def _always(value: Any) -> core_schema.CoreSchema:
    return core_schema.with_default_schema(core_schema.any_schema(), default=value)


def _made(kind: type, arguments: list[core_schema.DataclassField]) -> core_schema.CoreSchema:
    """Return the schema that makes an instance without calling `__init__`, which a frozen class pays for dearly."""
    names = [field.name for field in fields(kind)]
    return core_schema.dataclass_schema(
        kind, core_schema.dataclass_args_schema(kind.__name__, arguments), names, slots=True, frozen=True
    )
