"""`python -m benchmarks.fitting`."""

import sys

from benchmarks.fitting.fitting import main

sys.exit(main())
