"""`python -m benchmarks.throughput`."""

import sys

from benchmarks.throughput.throughput import main

sys.exit(main())
