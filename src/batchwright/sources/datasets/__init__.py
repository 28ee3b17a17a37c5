"""Datasets: rows from text, CSV, JSON, Excel and Parquet, one at a time. The contract is in `base`."""
