"""The history: what was normal, what was not, and what people say about it."""
