"""The live run over documents: what `batchwright run` does."""
