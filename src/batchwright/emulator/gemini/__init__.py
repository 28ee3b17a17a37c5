"""Gemini Developer API: files, batches, generateContent, models."""
