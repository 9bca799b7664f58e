"""Payloads that are one plain number."""
