"""Anthropic: message batches, messages, models."""
