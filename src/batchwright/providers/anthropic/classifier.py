"""What the exceptions of Anthropic's SDK mean for the live engine."""

from collections.abc import Mapping
from typing import ClassVar

from batchwright.providers.classifiers import ACCOUNT, QUOTA, DefaultErrorClassifier, ErrorInfo


class AnthropicErrorClassifier(DefaultErrorClassifier):
    """For agents and direct calls over Anthropic's SDK; a spend limit comes with a 429 and is no rate limit."""

    provider_name: ClassVar[str] = "anthropic"
    names: ClassVar[Mapping[str, ErrorInfo]] = {
        "PaymentRequiredError": QUOTA,
        "EnforcedSpendLimitReachedError": QUOTA,
        "ContractSpendLimitReachedError": QUOTA,
        "LinkedOrganizationSpendLimitReachedError": QUOTA,
        "LinkedOrganizationBillingUnavailableError": QUOTA,
        "OrganizationOnHoldError": ACCOUNT,
        "CredentialsError": ACCOUNT,
    }
