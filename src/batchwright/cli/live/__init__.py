"""Asking live, as the commands do it: the estimate before, what is told meanwhile, what it came to."""
