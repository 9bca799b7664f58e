"""Durability: what outlives the process, and how a new process goes on with it."""
