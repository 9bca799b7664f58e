"""Packed binary payloads."""
