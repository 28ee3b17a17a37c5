"""LLM batch jobs you can trust: documents and datasets through the providers' Batch APIs."""
