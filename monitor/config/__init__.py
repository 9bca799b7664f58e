"""The daemon's configuration: its sections, and how a file is loaded and checked."""
