"""Training data: files to windows, and which part each window serves."""
