"""batchwright inside other tools."""
