"""The options that say what to ask about and whom, which `run`, `batch-create` and `estimate` share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from batchwright.cli.creating import Choice
from batchwright.cli.options import ManyValued
from batchwright.cli.workbench import Workbench
from batchwright.config import batch_size_from, provider_from

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--subjects", cls=ManyValued, help="Only these subjects (case, spaces and hyphens do not matter)."),
    click.option("--documents", cls=ManyValued, help="Only these documents."),
    click.option("--batch-size", type=int, help="Issues a request  [default: LLM_CATEGORISER_BATCH_SIZE or 10]"),
    click.option("--provider", help="gemini, openai or anthropic  [default: LLM_PRIMARY or gemini]"),
    click.option("--model", help="Model to ask  [default: the provider's]"),
    click.option("--limit", type=int, help="At most this many batches: a cheap pilot."),
    click.option("--force", is_flag=True, help="Ask again what is answered or pending."),
)


def choice_options(function: Function) -> Function:
    """Add the options; what they are given is for `choice_from`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def choice_from(
    workbench: Workbench, *, provider: str | None, batch_size: int | None, model: str | None, **rest: Any
) -> Choice:
    """Return what a person chose. Raises `ConfigurationError`."""
    environment = workbench.settings.environment
    return Choice(
        provider_name=provider_from(environment, provider),
        model=model,
        batch_size=batch_size_from(environment, batch_size),
        **rest,
    )
