"""The backend of `batchwright batch`: models are those of batchwright's providers, settings those of the workspace."""

import difflib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batchwright.cli.datasets.base import Asking, Backend, Decorator, Model, Session
from batchwright.cli.datasets.preferences import Preferences, workspace_preferences
from batchwright.errors import ConfigurationError

if TYPE_CHECKING:
    from batchwright.cli.workbench import Workbench
    from batchwright.providers.base import Provider

PROGRAM = "batchwright batch"
_NEAREST = 3
_ALIKE = 0.5
_FILE = click.Path(path_type=Path)


class OurBackend(Backend):
    """Asks OpenAI, Anthropic and Gemini with the workspace's keys."""

    program = PROGRAM
    run_options: tuple[Decorator, ...] = (
        click.option(
            "--provider", metavar="NAME", help="Whose model it is  [default: as the name says, or LLM_PRIMARY]"
        ),
    )
    place_options: tuple[Decorator, ...] = (
        click.option("--tracking-file", type=_FILE, help="Job metadata  [default: data/batch_jobs.json]"),
        click.option("--dotenv", type=_FILE, help="File of KEY=value lines  [default: .env]"),
        click.option("--emulator", metavar="URL", help="Use a local emulator instead of the real providers."),
        click.option("--log-file", type=_FILE, help="Append what happens here, as JSON lines."),
        click.option("-v", "--verbose", is_flag=True, help="Say more; show tracebacks."),
    )

    def open(self, options: Mapping[str, Any]) -> "OurSession":
        """Return the session of a workspace."""
        from batchwright.cli.logs import configure  # noqa: PLC0415  (`--help` needs none of it)
        from batchwright.cli.options import WORKSPACE_OPTION_NAMES  # noqa: PLC0415
        from batchwright.cli.workbench import Workbench  # noqa: PLC0415

        configure(verbose=options["verbose"], log_file=options["log_file"])
        values = {**dict.fromkeys(WORKSPACE_OPTION_NAMES), **options}
        return OurSession(Workbench.open(values), provider=options.get("provider"))


class OurSession(Session):
    """One workspace's settings, keys and providers."""

    program = PROGRAM

    def __init__(self, workbench: "Workbench", *, provider: str | None = None) -> None:
        self._workbench = workbench
        self._provider = provider

    @property
    def workbench(self) -> "Workbench":
        """The workspace's."""
        return self._workbench

    @cached_property
    def preferences(self) -> Preferences:
        """What `[batch]` of the workspace's settings file says."""
        return workspace_preferences(Path())[0]

    def model(self, name: str | None) -> Model:
        """Return the model of a name such as `openai/gpt-5.4-mini`, or the provider's default one."""
        from batchwright.cli.creating import NO_KEY  # noqa: PLC0415  (only runs ask)

        provider_name, model = self._route(name)
        found = model or self._workbench.provider(provider_name, api_key=NO_KEY).model
        _warn_of_unlisted(provider_name, found)
        return Model(
            name=f"{provider_name}/{found}",
            provider_name=provider_name,
            priced_as=found,
            aliases=tuple(dict.fromkeys(filter(None, (found, name)))),
        )

    def answerer(self, model: Model, asking: Asking) -> "Provider":
        """Return the provider of the model. Raises `LLMProviderConfigurationError` for a missing key."""
        if asking.tools:
            raise ConfigurationError(
                "--tools: tools are the llm tool's; with batchwright[llm] installed: llm batch --tools"
            )
        return self.provider(model)

    def provider(self, model: Model) -> "Provider":
        """Return the provider of the model. Raises `LLMProviderConfigurationError` for a missing key."""
        return self._workbench.provider(model.provider_name, model.priced_as)

    def successors(self, model: Model) -> "Sequence[Provider]":
        """Return the providers that `LLM_FALLBACK` names, each with its default model."""
        return self._workbench.fallbacks(model.provider_name)

    def _route(self, name: str | None) -> tuple[str, str | None]:
        """Return the provider that is meant and its model; None is its default one."""
        from batchwright.config import provider_from  # noqa: PLC0415  (only runs ask)
        from batchwright.providers.model_names import route_of  # noqa: PLC0415

        environment = self._workbench.settings.environment
        if name is None:
            return provider_from(environment, self._provider), None
        if self._provider is not None:
            provider_name = provider_from(environment, self._provider)
            return provider_name, name.removeprefix(f"{provider_name}/")
        try:
            route = route_of(name)
        except ConfigurationError as exc:
            raise ConfigurationError(
                f"Unknown model: {name}{_hint(_nearest(name))}; "
                "put openai/, anthropic/ or google/ in front of a model's name, or say --provider"
            ) from exc
        return route.provider_name, route.model


def _warn_of_unlisted(provider_name: str, model: str) -> None:
    """Say so where no list has the model: it may be new, or misspelt; what it is, the provider decides."""
    from batchwright.cli.output import warning  # noqa: PLC0415  (only runs ask)
    from batchwright.pricing.price_list import is_listed  # noqa: PLC0415  (the lists take a third of a second)

    if not is_listed(provider_name, model):
        warning(f"no price list knows the model {model} of {provider_name}{_hint(_nearest(model, provider_name))}")


def _nearest(name: str, provider_name: str | None = None) -> list[str]:
    from batchwright.config import PROVIDER_NAMES  # noqa: PLC0415  (only where a name is wrong)
    from batchwright.pricing.price_list import models_of  # noqa: PLC0415

    names = {model for provider in PROVIDER_NAMES if provider_name in {None, provider} for model in models_of(provider)}
    return difflib.get_close_matches(name, sorted(names), n=_NEAREST, cutoff=_ALIKE)


def _hint(near: list[str]) -> str:
    return f" (nearest: {', '.join(near)})" if near else ""
