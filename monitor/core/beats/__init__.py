"""Heartbeats: R peaks in a stream and the intervals between them."""
