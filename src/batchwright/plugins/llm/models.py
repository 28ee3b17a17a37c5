"""The llm tool's models: found by whatever name a person gave, and whose price list theirs is."""

import difflib
from dataclasses import dataclass
from typing import Any, Final

import llm
from llm.models import ModelWithAliases

from batchwright.cli.datasets.base import Model
from batchwright.errors import ConfigurationError

_OPENAI_MODULE: Final = "llm.default_plugins.openai_models"
COMPATIBLE: Final = "openai-compatible"
"""The provider's name for models of `extra-openai-models.yaml` at another address: nobody knows their prices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """Who answers for a model, and what it is called there."""

    name: str
    """`openai`, `anthropic`, `gemini`, or by the plugin: `mistral`, `echo`."""
    model: str


class Models:
    """The models of every installed plugin, made anew, so that what is set on one is seen by nobody else."""

    def __init__(self) -> None:
        self._known = llm.get_models_with_aliases()

    def find(self, name: str) -> ModelWithAliases:
        """Return a model by its id or an alias. Raises `ConfigurationError` for an unknown one, with the nearest."""
        by_name = {alias: known for known in self._known for alias in known.aliases}
        by_name |= {known.model.model_id: known for known in self._known}
        if name in by_name:
            return by_name[name]
        near = difflib.get_close_matches(name, by_name, n=3, cutoff=0.6)
        hint = f"is it {' or '.join(near)}? See: llm models" if near else "see: llm models"
        raise ConfigurationError(f"Unknown model: {name}; {hint}")


def described(found: ModelWithAliases) -> Model:
    """Return what the commands need to know of a model."""
    model = found.model
    vendor = vendor_of(model)
    return Model(name=model.model_id, provider_name=vendor.name, priced_as=vendor.model, aliases=tuple(found.aliases))


def vendor_of(model: Any) -> Vendor:
    """Return who answers for a model of any plugin; its class says it, since the tool has no word for it."""
    module = type(model).__module__
    elsewhere = getattr(model, "api_base", None) or getattr(model, "base_url", None)
    if module == _OPENAI_MODULE:
        name = getattr(model, "model_name", None) or model.model_id
        return Vendor(name=COMPATIBLE if elsewhere else "openai", model=name)
    if not elsewhere:
        for vendor, attribute in (("anthropic", "claude_model_id"), ("gemini", "gemini_model_id")):
            if isinstance(name := getattr(model, attribute, None), str):
                return Vendor(name=vendor, model=name)
    plugin = module.partition(".")[0].removeprefix("llm_").replace("_", "-")
    return Vendor(name=plugin, model=model.model_id.removeprefix(f"{plugin}/"))
