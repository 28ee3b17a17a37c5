"""A value that satisfies a JSON schema, always the same for the same seed.

Understands what the three vendors' structured output takes: JSON Schema's `type`, `enum`, `const`, `properties`,
`items`, bounds, `anyOf`/`oneOf`/`allOf`, `$ref`, `$defs`, and the upper-case types and `nullable` of Gemini's OpenAPI
dialect. `pattern` is not understood.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

_MAX_DEPTH = 8
_MOST_NESTED = 50
_MOST_COUNTED = 100_000
_WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "inlet", "jetty", "knoll", "ledge")
_FORMATS = {
    "date": "2026-01-{:02d}",
    "date-time": "2026-01-{:02d}T12:00:00Z",
    "time": "12:00:{:02d}Z",
    "email": "reader{:02d}@example.com",
    "uri": "https://example.com/{:02d}",
    "uuid": "00000000-0000-4000-8000-0000000000{:02d}",
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    """Gemini's JSON writes 64-bit counts as strings."""
    return (isinstance(value, int) and 0 <= value <= _MOST_COUNTED) or (
        isinstance(value, str) and value.isdecimal() and int(value) <= _MOST_COUNTED
    )


def _is_type(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value))


_FORMS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "type": (_is_type, "a name or a list of names"),
    "properties": (lambda v: isinstance(v, Mapping), "an object"),
    "$defs": (lambda v: isinstance(v, Mapping), "an object"),
    "required": (lambda v: isinstance(v, list) and all(isinstance(item, str) for item in v), "a list of names"),
    **dict.fromkeys(("enum", "anyOf", "oneOf", "allOf"), (lambda v: isinstance(v, list) and len(v) > 0, "a list")),
    **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength"), (_is_count, "a count of at most 100,000")),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), (_is_number, "a number")),
    "multipleOf": (lambda v: _is_number(v) and v > 0, "a number above 0"),
}


def defect(schema: Any, depth: int = 0) -> str | None:
    """What makes `schema` no schema at all, in words, or None. A schema without defect can be sampled."""
    if isinstance(schema, bool):
        return None
    if not isinstance(schema, Mapping):
        return "a schema must be an object"
    if depth > _MOST_NESTED:
        return f"a schema must not be nested deeper than {_MOST_NESTED} levels"
    for name, (fits, wanted) in _FORMS.items():
        if schema.get(name) is not None and not fits(schema[name]):
            return f"'{name}' must be {wanted}"
    inner = [child for name in ("properties", "$defs") for child in (schema.get(name) or {}).values()]
    inner += [child for name in ("anyOf", "oneOf", "allOf") for child in schema.get(name) or ()]
    inner += [schema["items"]] if schema.get("items") is not None else []
    return next((found for child in inner if (found := defect(child, depth + 1))), None)


def sample(schema: Mapping[str, Any], *, seed: str) -> Any:
    """A value that satisfies `schema`, decided by `seed`."""
    return _Sampler(schema, random.Random(seed)).value(schema, 0)  # noqa: S311 - reproducible, not secret


def resolved(schema: Any, root: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with its `$ref`s into `root` followed, and `allOf` merged. A dangling reference allows anything."""
    merged = dict(schema) if isinstance(schema, Mapping) else {}
    for _ in range(_MAX_DEPTH):
        target = merged.pop("$ref", None) or merged.pop("ref", None)
        if not isinstance(target, str):
            break
        merged = {**_looked_up(target, root), **merged}
    for part in merged.pop("allOf", None) or ():
        inner = resolved(part, root)
        properties = {**(merged.get("properties") or {}), **(inner.get("properties") or {})}
        required = [*(merged.get("required") or ()), *(inner.get("required") or ())]
        merged = {**inner, **merged, "properties": properties, "required": required}
    return merged


def _looked_up(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    node: Any = root
    for step in reference.lstrip("#").strip("/").split("/"):
        if step:
            node = node.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(node, Mapping) else {}
    return node if isinstance(node, Mapping) and defect(node) is None else {}


class _Sampler:
    """Walks one schema with one source of chance."""

    def __init__(self, root: Mapping[str, Any], chance: random.Random) -> None:
        self._root = root
        self._chance = chance

    def value(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, Mapping):
            return None if schema is False else "anything"
        node = resolved(schema, self._root)
        if "const" in node:
            return node["const"]
        if node.get("enum"):
            return self._chance.choice(node["enum"])
        options = node.get("anyOf") or node.get("oneOf")
        if options:
            return self._one_of(options, depth)
        return self._of_kind(self._kind(node, depth), node, depth)

    def _of_kind(self, kind: str, node: Mapping[str, Any], depth: int) -> Any:
        if kind == "object":
            return self._object(node, depth)
        if kind == "array":
            return self._array(node, depth)
        return self._scalar(kind, node)

    def _one_of(self, options: list[Any], depth: int) -> Any:
        """Deep down a leaf is preferred, so that recursive schemas end."""
        leaves = [option for option in options if self._is_leaf(option)]
        return self.value(self._chance.choice(leaves if depth >= _MAX_DEPTH // 2 and leaves else options), depth)

    def _is_leaf(self, schema: Any) -> bool:
        if not isinstance(schema, Mapping) or "$ref" in schema:
            return False
        kind = schema.get("type")
        kinds = kind if isinstance(kind, list) else [kind]
        return all(str(k).lower() not in {"object", "array", "none"} for k in kinds)

    def _kind(self, node: Mapping[str, Any], depth: int) -> str:
        kind = node.get("type")
        if isinstance(kind, list):
            real = [k for k in kind if str(k).lower() != "null"]
            kind = "null" if not real or (depth >= _MAX_DEPTH // 2 and len(real) < len(kind)) else real[0]
        if kind is None:
            kind = "object" if "properties" in node else "array" if "items" in node else "string"
        elif node.get("nullable") and depth >= _MAX_DEPTH // 2 and str(kind).lower() in {"object", "array"}:
            kind = "null"
        return str(kind).lower()

    def _object(self, node: Mapping[str, Any], depth: int) -> dict[str, Any]:
        required = set(node.get("required") or ())
        return {
            name: self.value(inner, depth + 1)
            for name, inner in (node.get("properties") or {}).items()
            if name in required or depth < _MAX_DEPTH // 2
        }

    def _array(self, node: Mapping[str, Any], depth: int) -> list[Any]:
        least = int(node.get("minItems") or 0)
        most = max(least, 2) if node.get("maxItems") is None else int(node["maxItems"])
        wanted = least if depth >= _MAX_DEPTH // 2 else self._chance.randint(least, max(least, min(most, least + 2)))
        count = max(wanted, least, 1 if most and depth < _MAX_DEPTH // 2 else 0)
        return [self.value(node.get("items", {}), depth + 1) for _ in range(count)]

    def _scalar(self, kind: str, node: Mapping[str, Any]) -> Any:
        if kind == "null":
            return None
        if kind == "boolean":
            return self._chance.random() < 0.5  # noqa: PLR2004 - a fair coin
        if kind == "integer":
            return self._integer(node)
        if kind == "number":
            return self._number(node)
        return self._string(node)

    def _integer(self, node: Mapping[str, Any]) -> int:
        low, high = _bounds(node, smallest_step=1)
        step = math.ceil(node.get("multipleOf") or 1)
        first, last = math.ceil(low / step), math.floor(high / step)
        return self._chance.randint(first, max(first, last)) * step

    def _number(self, node: Mapping[str, Any]) -> float:
        if node.get("multipleOf"):
            step = node["multipleOf"]
            low, high = _bounds(node, smallest_step=step)
            first, last = math.ceil(low / step), math.floor(high / step)
            return float(self._chance.randint(first, max(first, last)) * step)
        low, high = _bounds(node, smallest_step=0)
        if low == high:
            return float(low)
        # Strictly inside, so that exclusive bounds hold as well.
        return float(low + (high - low) * (0.05 + 0.9 * self._chance.random()))

    def _string(self, node: Mapping[str, Any]) -> str:
        pattern = _FORMATS.get(str(node.get("format", "")))
        if pattern is not None:
            return pattern.format(self._chance.randint(1, 28))
        least, most = int(node.get("minLength") or 0), node.get("maxLength")
        text = " ".join(self._chance.choice(_WORDS) for _ in range(3))
        while len(text) < least:
            text += " " + self._chance.choice(_WORDS)
        return text if most is None else text[: max(int(most), least)]


def _bounds(node: Mapping[str, Any], *, smallest_step: float) -> tuple[float, float]:
    low: float | None = node.get("minimum")
    high: float | None = node.get("maximum")
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    if above is not None:
        low = above + smallest_step if low is None else max(low, above + smallest_step)
    if below is not None:
        high = below - smallest_step if high is None else min(high, below - smallest_step)
    if low is None and high is None:
        return 0, 100
    if low is None:
        return (high or 0) - 100, high or 0
    return low, low + 100 if high is None else max(low, high)
