"""Streams: the table of streams, the group of streams of one model, and the routes to them."""
