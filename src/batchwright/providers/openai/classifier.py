"""What the exceptions of OpenAI's SDK mean for the live engine."""

from collections.abc import Mapping
from typing import ClassVar

from batchwright.providers.classifiers import BLOCKED, CUT_OFF, DefaultErrorClassifier, ErrorInfo


class OpenAIErrorClassifier(DefaultErrorClassifier):
    """For agents and direct calls over OpenAI's SDK; an exhausted quota comes with a 429 and is no rate limit."""

    provider_name: ClassVar[str] = "openai"
    names: ClassVar[Mapping[str, ErrorInfo]] = {
        "LengthFinishReasonError": CUT_OFF,  # the same limit would cut it off again
        "ContentFilterFinishReasonError": BLOCKED,
    }
