"""One `llm batch` command: the tool's folder, its models, keys, templates and fragments."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import llm
import yaml
from llm.cli import get_model_options
from pydantic import ValidationError

from batchwright.cli.datasets.base import Asking, Model, Session, Wish
from batchwright.cli.datasets.preferences import Preferences, preferences_from
from batchwright.cli.output import warning
from batchwright.errors import ConfigurationError
from batchwright.plugins.llm.answering import CHAIN_LIMIT, How, LlmAnswerer
from batchwright.plugins.llm.failures import missing_key
from batchwright.plugins.llm.models import Models, described, vendor_of
from batchwright.plugins.llm.templates import Fragments, prompt_of, saved_template, system_of
from batchwright.plugins.llm.tools import toolset
from batchwright.request import OutputSchema

if TYPE_CHECKING:
    from batchwright.cli.workbench import Workbench
    from batchwright.providers.base import Provider
    from batchwright.run import Run
    from batchwright.sources.row_prompts import RowPrompts
    from batchwright.tracking.runs import RunStore

PROGRAM: Final = "llm batch"
_MODEL_VARIABLE: Final = "LLM_MODEL"
_WITH_BATCHES: Final = ("openai", "anthropic", "gemini")


class LlmSession(Session):
    """The tool's folder, and what the options of one command say; `options` are by the names of the backend's."""

    program = PROGRAM

    def __init__(self, folder: Path, workbench: "Workbench", options: Mapping[str, Any]) -> None:
        self._folder = folder
        self._workbench = workbench
        self._options = options
        self._fragments = Fragments(folder / "logs.db")

    @property
    def workbench(self) -> "Workbench":
        """One whose data lie in the tool's folder."""
        return self._workbench

    @cached_property
    def preferences(self) -> Preferences:
        """What `batch-config.yaml` says; `LLM_MODEL` goes before its model, as it goes before the tool's default."""
        path = self._folder / "batch-config.yaml"
        found = preferences_from(_document(path), str(path))
        model = self._workbench.settings.environment.get(_MODEL_VARIABLE)
        return found if model is None else replace(found, model=model)

    @cached_property
    def _models(self) -> Models:
        return Models()

    def model(self, name: str | None) -> Model:
        """Return a model by its id or alias, or the tool's default one. Raises `ConfigurationError`."""
        return described(self._models.find(name or llm.get_default_model()))

    def adapted(self, wish: Wish) -> Wish:
        """Return the wish with saved templates, fragments, tools and options in it. Raises `ConfigurationError`."""
        names: Sequence[str] = self._options["saved_templates"]
        wish = replace(wish, tools=(*wish.tools, *self._options["more_tools"]))
        templates = [saved_template(name) for name in names]
        for template in templates:
            wish = self._templated(wish, template)
        return self._with_extras(self._with_fragments(wish, templates), templates)

    def fragment(self, name: str) -> str:
        """Return the text of a fragment. Raises `ConfigurationError`."""
        return str(self._fragments.find(name))

    def answerer(self, model: Model, asking: Asking) -> LlmAnswerer:
        """Return who asks the model, once its key, its options and the tools are known to be good."""
        found = self._models.find(model.name)
        asked: Any = found.async_model or found.model
        _check(asked, asking)
        self._give_key(asked)
        extras = asking.extras
        how = How(
            options=_options(asked, extras.get("options", {})),
            toolset=toolset(asking.tools, extras.get("functions", ()), asked),
            chain_limit=extras.get("chain_limit", CHAIN_LIMIT),
            fragments=[(source, length) for source, length in extras.get("fragments", ())],
        )
        return LlmAnswerer(found, vendor_of(asked), how, log=self._log() if asking.log else None)

    def provider(self, model: Model) -> "Provider":
        """Return the provider whose Batch API has a model of OpenAI, Anthropic or Gemini, with the tool's key."""
        if model.provider_name not in _WITH_BATCHES:
            raise ConfigurationError(
                f"no Batch API has {model.name}: --via batch is for models of OpenAI, Anthropic and Gemini"
            )
        key = None
        if not self._workbench.settings.emulated:
            key = self._key(self._models.find(model.name).model)
        return self._workbench.provider(model.provider_name, model.priced_as, api_key=key)

    def require_batchable(self, model: Model, asking: Asking) -> None:
        """Raise `ConfigurationError` for tools and model options, whether a template or the command line has them.

        What `llm models options` keeps for the model is only warned about: nobody asked for it here.
        """
        super().require_batchable(model, replace(asking, tools=(*asking.tools, *asking.extras.get("functions", ()))))
        options = asking.extras.get("options")
        if options:
            names = ", ".join(options)
            raise ConfigurationError(f"--via batch sends no model options: leave {names} out, or ask live")
        kept = get_model_options(model.name)
        if kept:
            warning(f"--via batch does not send what `llm models options` has set for {model.name}: {', '.join(kept)}")

    def log_answers(self, run: "Run", prompts: "RowPrompts", store: "RunStore") -> None:
        """Write what a Batch API answered into the tool's database; trouble is told, as the answers are safe."""
        from batchwright.plugins.llm.row_log import log_rows  # noqa: PLC0415  (only runs write)

        path = self._folder / "logs.db"
        if self._keeps_no_logs:
            return
        try:
            log_rows(path, run, prompts, store, model=self._models.find(run.model).model)
        except Exception as exc:  # noqa: BLE001  (the tool's database may fail in any way)
            warning(f"answers could not be logged to {path}: {exc}; --resume --batch-id {run.run_id} tries again")

    def _templated(self, wish: Wish, template: llm.Template) -> Wish:
        params = dict(self._options["params"])
        if template.prompt and wish.template_file is not None:
            raise ConfigurationError(f"--template-file and the template {template.name} both make the prompt")
        schema = template.schema_object
        return replace(
            wish,
            template=prompt_of(template, params, wish.template),
            system=wish.system or system_of(template, params),
            model=wish.model or template.model,
            schema=wish.schema or (OutputSchema(name="answer", schema=schema) if schema else None),
            tools=(*(template.tools or ()), *wish.tools),
        )

    def _with_fragments(self, wish: Wish, templates: Sequence[llm.Template]) -> Wish:
        """Return the wish with fragments before the prompts and before the system prompt, as the tool has them."""
        names = [name for template in templates for name in template.fragments or ()] + [*self._options["fragments"]]
        of_system = [name for template in templates for name in template.system_fragments or ()]
        of_system += self._options["system_fragments"]
        if of_system:
            bits = [*(self.fragment(name) for name in of_system), wish.system or ""]
            wish = replace(wish, system="\n\n".join(bit.strip() for bit in bits if bit.strip()))
        if not names:
            return wish
        if wish.template_file is not None:
            raise ConfigurationError("-f goes with --template, not with --template-file: include the text there")
        found = [self._fragments.find(name) for name in names]
        known = [[fragment.source or name, len(fragment)] for name, fragment in zip(names, found, strict=True)]
        return replace(
            wish,
            template=self._fragments.before(names, wish.template),
            extras={**wish.extras, "fragments": known},
        )

    def _with_extras(self, wish: Wish, templates: Sequence[llm.Template]) -> Wish:
        """Return the wish with what else changes answers: model options, functions that are tools, their rounds."""
        options: dict[str, Any] = {}
        for template in templates:
            options = {**(template.options or {}), **options}
        extras: dict[str, Any] = {
            "options": {**options, **dict(self._options["options"])},
            "functions": [
                *(template.functions for template in templates if template.functions and _is_trusted(template)),
                *map(_python_text, self._options["functions"]),
            ],
        }
        if self._options["chain_limit"] is not None:
            extras["chain_limit"] = self._options["chain_limit"]
        said = {name: value for name, value in extras.items() if value or name == "chain_limit"}
        return replace(wish, extras={**wish.extras, **said})

    def _give_key(self, model: Any) -> None:
        """Set the key on the model, which would otherwise read it from its file for every prompt."""
        key = self._key(model)
        if key is not None:
            model.key = key

    def _key(self, model: Any) -> str | None:
        try:
            key: str | None = model.get_key(self._options["key"])
        except llm.NeedsKeyException:
            raise missing_key(model.model_id, model.needs_key) from None
        return key

    def _log(self) -> Any:
        from batchwright.plugins.llm.log import AnswerLog  # noqa: PLC0415  (only runs write)

        return None if self._keeps_no_logs else AnswerLog(self._folder / "logs.db")

    @property
    def _keeps_no_logs(self) -> bool:
        return (self._folder / "logs-off").exists()


def _document(path: Path) -> object:
    try:
        return yaml.safe_load(path.read_bytes()) if path.exists() else None
    except (OSError, yaml.YAMLError, UnicodeError) as exc:
        raise ConfigurationError(f"{path} cannot be read: {exc}") from exc


def _check(model: Any, asking: Asking) -> None:
    """Raise `ConfigurationError` for a model that cannot do what every row asks of it."""
    if asking.schema and not model.supports_schema:
        raise ConfigurationError(f"{model.model_id} does not support schemas; see: llm models --schemas")
    if asking.attachments and not model.attachment_types:
        raise ConfigurationError(f"{model.model_id} does not support attachments; see: llm models --options")


def _options(model: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's options: those given, over the defaults that `llm models options` has set."""
    try:
        valid = {name: value for name, value in model.Options(**given) if value is not None}
    except ValidationError as exc:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in exc.errors()]
        raise ConfigurationError(f"option of {model.model_id}: {'; '.join(faults)}; see: llm models --options") from exc
    return {**get_model_options(model.model_id), **valid}


def _python_text(text: str) -> str:
    """Return the Python text that `--functions` gives, or names as a file."""
    if "\n" in text or not text.endswith(".py"):
        return text
    try:
        return Path(text).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as exc:
        raise ConfigurationError(f"--functions: {text} cannot be read: {exc}") from exc


def _is_trusted(template: llm.Template) -> bool:
    """Whether a template is of this machine; the tool runs no Python of one from elsewhere."""
    return bool(getattr(template, "_functions_is_trusted", False))
