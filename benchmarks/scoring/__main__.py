"""`python -m benchmarks.scoring`."""

import sys

from benchmarks.scoring.scoring import main

sys.exit(main())
