"""The report of a fit: one HTML page and its pictures."""
