"""Recordings: tables and captures read into arrays, and cut into windows."""
