"""The daemon: MQTT telemetry in, reconstruction-error metrics and alerts out."""

__version__ = "0.1.0"
