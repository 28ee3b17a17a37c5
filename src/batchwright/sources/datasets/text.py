"""Text: a prompt a line."""

from collections.abc import Iterator

from batchwright.sources.datasets.base import PROMPT_COLUMN, BadRows, ReadOptions, Row, Source
from batchwright.sources.datasets.encodings import opened_text


def read_text(source: Source, options: ReadOptions, bad: BadRows) -> Iterator[Row]:
    """Yield a row a line, blank ones left out; its only column is `prompt`. Raises `InputError`."""
    del bad  # any line is a prompt
    with opened_text(source, options.encoding, newline=None) as text:
        for number, line in enumerate(text, start=1):
            prompt = line.strip()
            if prompt:
                yield Row({PROMPT_COLUMN: prompt}, number, source.name)
