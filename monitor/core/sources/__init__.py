"""Sources: topic patterns and what a source of telemetry is."""
