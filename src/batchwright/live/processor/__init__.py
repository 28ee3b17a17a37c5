"""The parallel processor: many items at once, one pause for all, hooks around each. Knows nothing of requests."""
