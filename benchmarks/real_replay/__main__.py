"""`python -m benchmarks.real_replay`."""

import sys

from benchmarks.real_replay.real_replay import main

sys.exit(main())
