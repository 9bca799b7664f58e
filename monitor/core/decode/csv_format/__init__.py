"""Payloads of separated numbers."""
