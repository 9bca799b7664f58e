"""Artifacts: a model's folder on the disk, its versions, its generations, and the link that says what is in use."""
