"""What is remembered of every job, and where its payloads lie."""
