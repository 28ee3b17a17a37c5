"""The sample workspace."""
