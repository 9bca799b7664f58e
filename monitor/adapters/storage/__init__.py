"""Storage: the journal and the checkpoint file."""
