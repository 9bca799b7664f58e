"""How soon alerts come, and what a stream costs in memory."""
