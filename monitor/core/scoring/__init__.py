"""Scoring: what a window needs before and around the model."""
