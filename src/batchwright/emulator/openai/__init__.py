"""OpenAI: files, batches, chat completions, responses, models."""
