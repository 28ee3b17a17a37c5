"""A local server that speaks the three vendors' batch protocols."""
