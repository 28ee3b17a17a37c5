"""The batch engine: plan, submit, watch, collect."""
