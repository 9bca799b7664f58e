"""Outputs: the payloads, counters and records that the pipeline gives away."""
