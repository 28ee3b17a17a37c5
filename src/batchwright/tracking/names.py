"""The tracking file's names for things, which are the guide's; the state file shares them."""

from typing import Final

SCHEMA_VERSION: Final = 2
"""What this version writes. 1 was the first generation's flat map of job names, which carries no number."""

BATCHES: Final = "batches"
ATTEMPTS: Final = "attempts"
GROUP: Final = "subject"
DOCUMENT: Final = "filename"
BATCH_INDEX: Final = "batch_index"
ITEM_IDS: Final = "issue_ids"
GROUPS: Final = "subjects"
"""Of the state file."""
TOTAL_ITEMS: Final = "total_issues"
"""Of the state file."""
COMPLETED_BATCHES: Final = "completed_batches"
"""Of the state file."""

COUNTS: Final = ("total", "succeeded", "errored", "expired", "cancelled")
TALLY: Final = ("succeeded", "errored", "expired", "cancelled", "missing", "duplicates", "unknown")
USAGE: Final = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
MOMENTS: Final = (
    "submitted_at",
    "ended_at",
    "expires_at",
    "results_until",
    "inputs_until",
    "cleaned_at",
    "collected_at",
    "polled_at",
    "missed_at",
)
TEXTS: Final = ("account", "parent", "last_error", "error_message")
