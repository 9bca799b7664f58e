"""Real recordings through a real broker to the running daemon."""
