"""The sample grid: event time to slots, and the ring buffers that hold them."""
