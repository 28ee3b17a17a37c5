"""Requests in, results out: the processor over the providers, with quotas that pass on and prices that add up."""
