"""`python -m benchmarks.beats`."""

import sys

from benchmarks.beats.detection import main

sys.exit(main())
