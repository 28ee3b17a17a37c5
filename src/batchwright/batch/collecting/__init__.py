"""Bring a job's answers home and settle what they answer."""
