"""Messages from a file or from standard input, one a line."""
