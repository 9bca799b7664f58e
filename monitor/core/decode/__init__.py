"""Decoding: payload bytes of a known format to blocks of samples."""
