"""From planned requests to jobs at a provider: assemble, admit, submit, halve."""
