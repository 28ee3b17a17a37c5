"""Ask the first provider that still has quota, and hear which one it was.

Uses the providers whose keys are set, or an emulator: BATCHWRIGHT_EMULATOR_URL=http://127.0.0.1:8765.
"""

from batchwright import (
    BatchwrightError,
    LLMProviderConfigurationError,
    LLMQuotaError,
    LLMService,
    Provider,
    ProviderStatus,
    open_provider,
)


def report(provider_name: str, status: ProviderStatus, error: Exception | None) -> None:
    print(f"[{provider_name}: {status}{f', {error}' if error else ''}]")


def available() -> list[Provider]:
    providers = []
    for name in ("gemini", "openai"):
        try:
            providers.append(open_provider(name, system_prompt="Answer in one sentence."))
        except LLMProviderConfigurationError as error:
            print(f"without {name}: {error}")
    return providers


def main() -> None:
    try:
        service = LLMService(available(), reporter=report)
        for answer in service.batch_generate(["Why is the sea salt?", ["Why is the sky blue?", "For a child of six."]]):
            print(answer.text)
    except LLMQuotaError as error:
        raise SystemExit(f"nobody has quota left: {error}") from error
    except BatchwrightError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
