"""How well heartbeats are found."""
