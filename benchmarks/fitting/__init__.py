"""How long the trainer takes."""
