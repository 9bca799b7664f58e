"""`python -m benchmarks.chaos`."""

import sys

from benchmarks.chaos.chaos import main

sys.exit(main())
