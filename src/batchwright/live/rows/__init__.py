"""The live way of dataset runs: every row one request, every answer in the run database."""
