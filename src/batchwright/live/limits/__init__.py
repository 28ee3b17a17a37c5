"""Requests and tokens a minute, kept for everybody who asks at once."""
