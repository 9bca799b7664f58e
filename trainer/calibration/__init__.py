"""Calibration: the threshold from errors of held-out normal windows."""
