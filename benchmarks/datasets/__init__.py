"""Public recordings, converted to the dataset contract."""
