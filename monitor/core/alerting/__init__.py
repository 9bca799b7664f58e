"""Alerting: when scored windows become an alert, and what people may say about it."""
