"""Evaluation: an artifact against labelled data."""
