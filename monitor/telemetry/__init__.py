"""Telemetry of the daemon itself: its Prometheus metrics."""
