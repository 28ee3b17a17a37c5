"""Models of the llm tool as Python code holds them, as those who answer."""

from typing import Any

import llm
from llm.models import ModelWithAliases

from batchwright.errors import ConfigurationError
from batchwright.plugins.llm.answering import How, LlmAnswerer
from batchwright.plugins.llm.models import Models, vendor_of


def answerer_for(model: Any) -> LlmAnswerer:
    """Return who answers for a model object, or for the model of a name. Raises `ConfigurationError`.

    A synchronous model is asked through its asynchronous twin where its plugin has one, with the key that it was given.
    """
    found = Models().find(model) if isinstance(model, str) else _with_twin(model)
    return LlmAnswerer(found, vendor_of(found.model or found.async_model), How())


def _with_twin(model: Any) -> ModelWithAliases:
    if isinstance(model, llm.AsyncModel):
        here: Any = model
        return ModelWithAliases(here, model, set())
    try:
        twin: Any = Models().find(model.model_id).async_model
    except ConfigurationError:  # a model of nobody's plugin
        twin = None
    if twin is not None and getattr(model, "key", None):
        twin.key = model.key
    return ModelWithAliases(model, twin, set())
