"""How many messages the daemon takes."""
