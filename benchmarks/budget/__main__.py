"""`python -m benchmarks.budget`."""

import sys

from benchmarks.budget.budget import main

sys.exit(main())
