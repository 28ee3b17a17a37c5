"""What OpenTelemetry's conventions for generative AI call the vendors, where it is not what we call them."""

_NAMES = {"gemini": "gcp.gemini"}
"""From the values of `gen_ai.provider.name`."""


def conventional_name(provider_name: str) -> str:
    """Return the value of `gen_ai.provider.name`; a name the conventions do not know stays as it is."""
    return _NAMES.get(provider_name, provider_name)
