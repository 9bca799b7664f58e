"""The edges: every file that touches a socket, a file, a clock or torch."""
