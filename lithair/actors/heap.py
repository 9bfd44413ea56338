"""The heap: what a model process tells the C library's allocator (glibc; others are left alone).

Law: a long column that grows is moved by the kernel, page by page in its tables, and never copied:
of a million items a copy is some 8 MB at once, which stops the loop for up to 20 ms.
"""

import ctypes
from typing import Final

M_TRIM_THRESHOLD: Final = -1  # malloc.h
M_TOP_PAD: Final = -2
M_MMAP_THRESHOLD: Final = -3
MAPPED_BYTES_MIN: Final = 1 << 20  # a block of its own from here on, which mremap(2) makes longer
KEPT_BYTES_MAX: Final = 32 << 20  # free at the end of the heap; glibc's own choice is twice a block
GROWN_BYTES: Final = 1 << 20  # the heap grows by so much


def grow_in_place() -> None:
    """Have long blocks mapped one by one. Said once, before there are any.

    A threshold that is said is not moved by glibc any more, which otherwise learns from the first
    long block that is freed to keep such blocks in the heap.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES_MIN)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES_MAX)
        mallopt(M_TOP_PAD, GROWN_BYTES)


def give_back() -> None:
    """Give the system back what opening needed for a while: 40 MB of 750 at a million items."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
