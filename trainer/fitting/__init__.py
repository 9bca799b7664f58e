"""Fitting: from recordings to a calibrated artifact."""
