"""Windows: where windows lie in a stream, and how they are gathered."""
