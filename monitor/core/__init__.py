"""The pure core: values in, values out.

Nothing here opens a file or a socket, starts a thread, reads a clock or the environment, logs, or imports torch.
Time comes in as an argument. Besides the standard library, numpy and scipy it uses two pure value libraries:
pydantic (settings that are valid if they exist) and msgspec (payload bytes to typed values).
"""
