"""`python -m benchmarks.history`."""

import sys

from benchmarks.history.history import main

sys.exit(main())
