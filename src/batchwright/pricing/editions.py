"""Models' names: as price lists write them, and whether two of them mean editions of one model. Pure."""

import re

FINE_TUNED = "ft:"
"""How OpenAI begins the name of a model tuned from another."""

_EDITION = re.compile(
    r"(?:[-@.:]?(?:\d{8}|\d{4}-\d{2}-\d{2}|\d{2}-\d{4}|\d{2}-\d{2}|\d{3,4}|v\d|latest|preview|exp|experimental))*"
)
"""Dates as the vendors write them (20251001, 2025-08-07, 09-2025, 05-20), versions (001, 0125, v2), and such words."""


def plain_name(model: str) -> str:
    """Return a model's name as price lists write it: lower case, no resource path, a fine-tuned one by its base.

    `models/gemini-2.5-flash` is `gemini-2.5-flash`; `ft:gpt-4o-mini-2024-07-18:acme::B7x` is priced as every other
    model tuned from `gpt-4o-mini-2024-07-18`. A router's `vendor/model` stays as it is.
    """
    name = model.strip().lower()
    for path in ("publishers/google/models/", "models/"):
        name = name.removeprefix(path)
    if name.startswith(FINE_TUNED):
        return ":".join(name.split(":")[:2])
    return name


def is_edition(model: str, *, of: str) -> bool:
    """Whether `model` is the one called `of`, or a dated or numbered edition of it."""
    name, general = plain_name(model), plain_name(of)
    return name.startswith(general) and only_edition(name, len(general))


def only_edition(name: str, length: int) -> bool:
    """Whether what follows the first `length` characters of a name only says which edition of a model is meant."""
    if length < len(name) and name[length].isdigit():
        while length and name[length - 1].isdigit():  # what comes before may end within a number: of `-10`, at the 1
            length -= 1
    return _EDITION.fullmatch(name, length) is not None
