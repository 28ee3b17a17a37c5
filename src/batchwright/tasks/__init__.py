"""The task seam: the contract in `base`, one use a file beside it."""
