"""A stage: one model call a page, from a builder of requests to a handler of results."""
