"""The C library's allocator, told to keep what is freed: the next batch needs as much again.

A model allocates its activations anew in every call. As it comes, glibc gives large blocks back to the system as soon
as they are freed, and gets them back page by page, zeroed, at the next call: a convolution was seen to spend half of
its time on that, and the more the larger its batch.
"""

import ctypes

# mallopt(3)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 64 * 1024 * 1024  # at the end of the heap; a batch of the largest models here takes a tenth of it
_MAPPED_BYTES = 32 * 1024 * 1024  # the most that glibc takes: larger blocks still come from the system, one by one


def keep_freed_memory() -> None:
    """Have this process keep up to 64 MiB that it has freed. Does nothing where the C library is not glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
