"""What it costs to remember."""
