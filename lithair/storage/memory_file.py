"""Memory file: bytes that children inherit as a descriptor; nothing of it is ever on a disk.

Owns how the packed declaration is handed down. Law: sealed before anybody else sees it, read by
position (the children share one offset).
"""

import fcntl
import os


def write_memory_file(data: bytes) -> int:
    """Put `data` into a sealed memory file; returns its descriptor, to be closed by the caller."""
    descriptor = os.memfd_create("lithair", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        file.write(data)
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def read_memory_file(descriptor: int) -> bytes:
    """Read a whole inherited memory file and close it."""
    try:
        size = os.fstat(descriptor).st_size
        data = b""
        while len(data) < size:
            data += os.pread(descriptor, size - len(data), len(data))
        return data
    finally:
        os.close(descriptor)
