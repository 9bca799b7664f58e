"""`python -m benchmarks.latency`."""

import sys

from benchmarks.latency.latency import main

sys.exit(main())
