"""`python -m benchmarks.lifecycle`."""

import sys

from benchmarks.lifecycle.lifecycle import main

sys.exit(main())
