"""Where the C library puts long columns, seen in the process's own map of its memory."""

import subprocess
import sys

import pytest

PROBE = """
import ctypes

from lithair.actors import heap

heap.grow_in_place()
first = bytearray(3 << 20)
del first  # from here on glibc by itself would keep such blocks in the heap, and copy what grows
column = bytearray(2 << 20)
address = ctypes.addressof(ctypes.c_char.from_buffer(column))
for line in open("/proc/self/maps"):
    start, end = (int(number, 16) for number in line.split()[0].split("-"))
    if start <= address < end:
        print("heap" if "[heap]" in line else "mapped")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc and /proc are Linux's")
def test_a_long_column_is_a_mapping_of_its_own_even_after_one_was_freed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "mapped\n"
