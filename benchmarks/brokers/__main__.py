"""Runs as `python -m benchmarks.brokers`."""

import sys

from benchmarks.brokers.brokers import main

if __name__ == "__main__":
    sys.exit(main())
