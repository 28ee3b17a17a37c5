"""Answers to datasets: CSV, JSON, JSON Lines, Parquet, in the order of the input. The contract is in `base`."""
