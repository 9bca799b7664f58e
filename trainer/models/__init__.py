"""Model families: the networks, what they are made of, and how they learn."""
