"""The demo: broker, devices, trainer and daemon on one terminal."""
