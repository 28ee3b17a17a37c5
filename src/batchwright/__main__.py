"""`python -m batchwright`."""

from batchwright.cli.main import entry

if __name__ == "__main__":
    entry()
