"""What became of a create whose answer was lost."""
