"""Benchmarks. Each program runs by its short name, e.g. `python -m benchmarks.flood`."""

from pathlib import Path

# A program is found in whichever folder it stands: `benchmarks.flood` is benchmarks/chaos/flood.py. A folder that is
# named as its program has a `__main__.py`.
__path__ += [str(room) for room in sorted(Path(__file__).parent.iterdir()) if (room / "__init__.py").exists()]
