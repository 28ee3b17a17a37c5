"""How many tokens a request will use, guessed from its length and corrected by what finished requests used. Pure.

The guess only has to be good on average: the limiter settles the difference when the answer is there.
"""

from batchwright.request import ImagePart, Request, TextPart
from batchwright.usage import Usage

_CHARACTERS_PER_TOKEN = 4.0
"""Of English prose; what other text really takes is learned."""
_IMAGE_TOKENS = 1000
"""About what the three vendors count for a picture of a page's size."""
_BYTES_PER_DOCUMENT_TOKEN = 50
"""A page of a text PDF is some 50 KB with its fonts, and counts about 1,000 tokens."""
_OUTPUT_TOKENS = 300
"""Before any answer is there."""
_WEIGHT = 0.05
"""Of the newest answer in the averages: about the last twenty count."""


class TokenEstimator:
    """Estimates of one kind of requests; learns from every answer."""

    __slots__ = ("_output", "_ratio")

    def __init__(self) -> None:
        self._ratio: float | None = None
        self._output: float | None = None

    def estimate(self, request: Request) -> int:
        """Return input and output tokens together."""
        ratio = 1.0 if self._ratio is None else self._ratio
        return int(size_of(request) * ratio + self._expected_output(request)) + 1

    def learn(self, request: Request, usage: Usage) -> None:
        """Take in what one answered request used; a usage of nothing says nothing."""
        if usage.input_tokens:
            self._ratio = _averaged(self._ratio, usage.input_tokens / size_of(request))
        if usage.output_tokens:
            self._output = _averaged(self._output, usage.output_tokens)

    def _expected_output(self, request: Request) -> float:
        expected = _OUTPUT_TOKENS if self._output is None else self._output
        most = request.params.max_output_tokens
        return expected if most is None else min(expected, most)


def size_of(request: Request) -> float:
    """Return the input tokens by length alone, above 0."""
    characters = len(request.system or "")
    tokens = 1.0
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, TextPart):
                characters += len(part.text)
            elif isinstance(part, ImagePart):
                tokens += _IMAGE_TOKENS
            else:
                tokens += len(part.data) / _BYTES_PER_DOCUMENT_TOKEN
    return tokens + characters / _CHARACTERS_PER_TOKEN


def _averaged(average: float | None, value: float) -> float:
    return value if average is None else average + (value - average) * _WEIGHT
