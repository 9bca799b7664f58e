"""The process and its host: clock, logs, systemd, watchdog."""
