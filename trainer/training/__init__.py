"""Training: the loop, and what it minimizes."""
