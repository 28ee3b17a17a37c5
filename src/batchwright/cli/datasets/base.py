"""The seam between the commands about datasets and whose models they ask: batchwright's providers, or the llm tool's.

A `Backend` is there when the commands are made, so it costs nothing: a name and options. Once a command line has been
read, it opens a `Session`, which knows models and keys. Everything else (reading, asking, writing, resuming, telling)
is the same for all of them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from batchwright.cli.datasets.preferences import Preferences
from batchwright.errors import ConfigurationError
from batchwright.request import OutputSchema

if TYPE_CHECKING:
    from batchwright.cli.workbench import Workbench
    from batchwright.providers.base import Answerer, Provider
    from batchwright.run import Run
    from batchwright.sources.row_prompts import RowPrompts
    from batchwright.tracking.runs import RunStore

Decorator = Callable[[Any], Any]
"""What `click.option` returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that was found by the name that a person gave, or that is asked where they gave none."""

    name: str
    """As runs remember and show it, the same whichever alias was given: `gpt-4o-mini`, `openai/gpt-5.4-mini`."""
    provider_name: str
    """Whose price list counts, as `Answerer.name`."""
    priced_as: str
    """Its name in that price list."""
    aliases: tuple[str, ...] = ()
    """Further names under which a rate limit may be set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person wants to be asked; None or empty where they said nothing.

    When a run goes on, whatever is None or empty is as it was when it began, and anything else has to be the same.
    """

    template: str | None = None
    template_file: str | None = None
    system: str | None = None
    schema: OutputSchema | None = None
    model: str | None = None
    attachment_column: str | None = None
    tools: tuple[str, ...] = ()
    extras: Mapping[str, Any] = field(default_factory=dict)
    """What else changes answers, by the options of the backend; JSON values. A run remembers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How a run's rows are asked."""

    concurrency: int
    log: bool
    """Whether answers go into the backend's own log, if it has one."""
    tools: tuple[str, ...] = ()
    extras: Mapping[str, Any] = field(default_factory=dict)
    """As in `Wish`, of this run or of the one that goes on."""
    schema: bool = False
    """Whether answers have to fit a schema."""
    attachments: bool = False
    """Whether images or documents go along."""
    run_id: str = ""


class Backend(ABC):
    """Whose models the commands ask."""

    program: str
    """What a person types to get to these commands: `batchwright batch`, `llm batch`."""
    run_options: Sequence[Decorator] = ()
    """Further options of a run."""
    place_options: Sequence[Decorator] = ()
    """Further options of all commands: where things are."""

    @abstractmethod
    def open(self, options: Mapping[str, Any]) -> "Session":
        """Return what answers a command; `options` are the values of this backend's own, by name.

        Raises `ConfigurationError`.
        """


class Session(ABC):
    """A backend at work for one command."""

    program: str
    """As the backend's."""

    @property
    @abstractmethod
    def workbench(self) -> "Workbench":
        """The ledger, the price table, and the tracking file of jobs; the run database lies beside that."""

    @property
    @abstractmethod
    def preferences(self) -> Preferences:
        """The defaults that a person has set. Raises `ConfigurationError` for a file that cannot be used."""

    @abstractmethod
    def model(self, name: str | None) -> Model:
        """Return the model of a name, or the default one; no key is needed yet.

        Raises `ConfigurationError` for an unknown one, naming those that are nearest.
        """

    @abstractmethod
    def answerer(self, model: Model, asking: Asking) -> "Answerer":
        """Return who answers; its `name` and `model` say whose prices count. It is closed at the end of the run.

        Raises `LLMProviderConfigurationError` for a missing key, `ConfigurationError` for tools that are not there.
        """

    @abstractmethod
    def provider(self, model: Model) -> "Provider":
        """Return the provider whose Batch API has this model. Raises `ConfigurationError` where none has.

        `LLMProviderConfigurationError` for a missing key.
        """

    def successors(self, model: Model) -> "Sequence[Answerer]":
        """Return who goes on, one after the other, when the quota of the model's provider is used up; or nobody."""
        del model
        return ()

    def require_batchable(self, model: Model, asking: Asking) -> None:
        """Raise `ConfigurationError` for what no Batch API can be asked, though a live call can."""
        del model
        if asking.tools:
            raise ConfigurationError(
                "--via batch calls no tools, as a batch cannot wait for what they say: leave the tools out, or ask live"
            )

    def log_answers(self, run: "Run", prompts: "RowPrompts", store: "RunStore") -> None:
        """Write what a Batch API answered into the backend's own log, if it has one: each once, however often called.

        `prompts` are of the very input of the run.
        """
        del run, prompts, store

    def adapted(self, wish: Wish) -> Wish:
        """Return the wish with what this backend's own options add: a template from a library, say."""
        return wish

    def fragment(self, name: str) -> str:
        """Return the text that `!fragment NAME` in a template stands for. Raises `ConfigurationError`."""
        raise ConfigurationError(
            f"the template asks for the fragment {name!r}; fragments are the llm tool's: llm batch"
        )
