"""`python -m benchmarks.masking`."""

import sys

from benchmarks.masking.masking import main

sys.exit(main())
