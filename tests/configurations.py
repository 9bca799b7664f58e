"""Configurations of the daemon as small as they may be, for tests to add to."""

MOTORS = """
[[source]]
name = "motors"
topic = "plant/{device}/motor"
model = "motor"
format = { kind = "json", rows = "rows" }
[[model]]
name = "motor"
path = "models/motor"
"""

SINE = """
[[model]]
name = "sine"
path = "sine"
max_batch = 8
[[source]]
name = "s"
topic = "plant/{device}"
model = "sine"
format = { kind = "json", rows = "rows" }
"""
