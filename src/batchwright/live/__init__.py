"""The live engine: the same requests answered now, thousands of calls in parallel."""
