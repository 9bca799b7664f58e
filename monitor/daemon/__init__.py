"""The daemon: its wiring, its loop, and its health."""
