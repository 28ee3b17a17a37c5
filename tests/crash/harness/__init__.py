"""What the crash tests and `scripts/soak` are made of."""
