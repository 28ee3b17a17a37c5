"""What a run asks about each row of its input: everything that makes the prompts, kept so that they can be made again.

A run may end on another day or on another machine's terminal than it began. So all that decides about its prompts is
one value (`PromptSpec`), which the run's entry in the database holds as JSON, and a digest says whether it, or the
input, is still what it was.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import pydantic_core

from batchwright.closing import Closing
from batchwright.errors import ChangedInputError, TrackingError
from batchwright.request import Message, OutputSchema, Part, Request, TextPart
from batchwright.sources.attachments import Attachments
from batchwright.sources.datasets.base import ReadOptions, Row
from batchwright.sources.datasets.opening import Dataset, open_dataset
from batchwright.sources.datasets.selection import Selection, Where
from batchwright.sources.templates import Prompter, compile_template, plain_prompt, template_file

_PIECE: Final = 1 << 20
_CHANGES: Final = {
    "inputs": "other input files",
    "template": "another template",
    "template_file": "another template file",
    "template_text": "the template file has changed",
    "fragments": "other fragments",
    "system": "another system prompt",
    "schema": "another schema",
    "where": "other --where conditions",
    "sample": "another --sample",
    "seed": "another seed",
    "limit": "another --limit",
    "encoding": "another encoding",
    "sheet": "another sheet",
    "skip_bad_rows": "--skip-bad-rows",
    "attachment_column": "another attachment column",
    "id_column": "another id column",
}
"""What each field is called when it differs from what a run began with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSpec:
    """Everything that makes a run's prompts; every field is JSON."""

    inputs: tuple[str, ...]
    """Paths and patterns as a person gave them; `-` is standard input, which can be asked about once."""
    template: str | None = None
    template_file: str | None = None
    template_text: str | None = None
    """The digest of the template file, to notice that it was edited."""
    fragments: Mapping[str, str] = field(default_factory=dict)
    """The texts that `!fragment NAME` stood for when the run began."""
    system: str | None = None
    schema: Mapping[str, Any] | None = None
    schema_name: str = "answer"
    where: tuple[str, ...] = ()
    sample: int | None = None
    seed: int = 0
    limit: int | None = None
    encoding: str = "utf-8"
    sheet: str | None = None
    skip_bad_rows: bool = False
    attachment_column: str | None = None
    id_column: str | None = None

    def __post_init__(self) -> None:
        if self.template_file is not None and self.template_text is None:
            path = Path(self.template_file)
            text = _digest_of_file(path) if path.is_file() else None  # that it is missing, opening it says
            object.__setattr__(self, "template_text", text)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "PromptSpec":
        """Return the spec of a run's config. Raises `TrackingError` for what no `PromptSpec` ever wrote."""
        try:
            known = {name: config[name] for name in cls.__slots__ if name in config}
            for name in ("inputs", "where"):
                known[name] = tuple(known.get(name, ()))
            return cls(**known)
        except TypeError as exc:
            raise TrackingError(f"the run's config does not say what was asked: {exc}") from exc

    def config(self) -> dict[str, Any]:
        """Return the spec as JSON values."""
        return asdict(self)

    @property
    def output_schema(self) -> OutputSchema | None:
        """What answers must be, if anything."""
        return None if self.schema is None else OutputSchema(name=self.schema_name, schema=self.schema)

    def changes(self, now: "PromptSpec") -> tuple[str, ...]:
        """Say what differs in `now`, for a person; empty where the prompts of the same input are the same."""
        return tuple(words for name, words in _CHANGES.items() if getattr(self, name) != getattr(now, name))

    def open(self, *, stdin: BinaryIO | None = None) -> "RowPrompts":
        """Open the input. Raises `InputError` for a file, `ConfigurationError` for a template that cannot be used."""
        prompt = self._prompter()
        options = ReadOptions(encoding=self.encoding, sheet=self.sheet, skip_bad_rows=self.skip_bad_rows)
        selection = Selection(
            where=[Where.parse(text) for text in self.where], sample=self.sample, seed=self.seed, limit=self.limit
        )
        dataset = open_dataset(self.inputs, options=options, selection=selection, stdin=stdin)
        return RowPrompts(self, dataset, prompt)

    def _prompter(self) -> Prompter:
        if self.template_file is not None:
            return template_file(Path(self.template_file))
        if self.template is not None:
            return compile_template(self.template, fragment_of=self.fragments.__getitem__ if self.fragments else None)
        return plain_prompt


class RowPrompts(Closing):
    """The rows of a run and their prompts; a context manager over the open dataset."""

    def __init__(self, spec: PromptSpec, dataset: Dataset, prompt: Prompter) -> None:
        self.spec = spec
        self.dataset = dataset
        self.prompt = prompt
        self.attachments = None if spec.attachment_column is None else Attachments(column=spec.attachment_column)

    def rows(self) -> Iterator[Row]:
        """Yield the rows that are asked about, in order; the n-th is row n of the run. Raises `InputError`."""
        return self.dataset.rows()

    def texts(self) -> Iterator[str]:
        """Yield the prompts of the rows, in order. Raises `InputError`."""
        return map(self.prompt, self.dataset.rows())

    def request(self, row: Row, custom_id: str) -> Request:
        """Return the request about one row. Raises `InputError` for an attachment that cannot be read."""
        extra: tuple[Part, ...] = () if self.attachments is None else self.attachments.of(row)
        return self.pattern(self.prompt(row), custom_id, extra)

    def pattern(self, text: str = "", custom_id: str = "row", extra: tuple[Part, ...] = ()) -> Request:
        """Return a request as all of the run's are, about `text`."""
        return Request(
            custom_id=custom_id,
            messages=(Message(parts=(TextPart(text=text), *extra)),),
            system=self.spec.system,
            output_schema=self.spec.output_schema,
        )

    def digest(self) -> str:
        """Return 16 hex digits over the bytes of the input and everything that makes prompts of it."""
        total = hashlib.sha256(pydantic_core.to_json(replace(self.spec, inputs=()).config()))
        for source in self.dataset.sources:
            total.update(_digest_of_file(source.path).encode())
        return total.hexdigest()[:16]

    def require(self, digest: str) -> None:
        """Raise `ChangedInputError` unless the input is what it was when `digest` was taken."""
        if self.digest() != digest:
            names = ", ".join(source.name for source in self.dataset.sources)
            raise ChangedInputError(f"{names} changed since the run began, so its answers would land on other rows")

    def close(self) -> None:
        """Close the dataset."""
        self.dataset.close()


def _digest_of_file(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            total.update(piece)
    return total.hexdigest()
