"""MQTT: the broker link, as a source of telemetry and a sink for alerts."""
