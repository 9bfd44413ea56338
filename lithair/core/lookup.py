"""The lookup of a snapshot: which place belongs to a key, by reading a page or two.

Owns the grammar of its pages; pure. Law: a page is checked whenever it is read; an entry may name
the record of another key (it has a hash only), so whoever reads the record compares the key in it.

    page  := crc:u32 n:u32 number:u64 entry{n} zeros        4096 bytes
    entry := hash:u64 place:u64

`crc` is zlib's CRC-32 of the rest of the page, continued from the crc of the snapshot's header. The
entries of all pages ascend. `hash` is the key's BLAKE2b of 8 bytes as a big-endian number, `place`
the offset of the item's record. Hashes are spread evenly, so a key's page is about known from its
hash: page_n * hash / 2**64.
"""

import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Final
from zlib import crc32

PAGE_BYTES: Final = 4096
_U32: Final = struct.Struct("<I")
_PAGE_HEAD: Final = struct.Struct("<IIQ")
_ENTRY: Final = struct.Struct("<QQ")
PAGE_ENTRIES: Final = (PAGE_BYTES - _PAGE_HEAD.size) // _ENTRY.size

GUESSES_MAX: Final = 4  # hashes that are not spread evenly: by halves then

Entry = tuple[int, int]  # hash, place


class BadSnapshot(ValueError):
    """These bytes are not a part of a snapshot as it was written; the message says in what."""


def lookup_hash(key: str) -> int:
    """Give the number that the lookup knows a key by; evenly spread over 64 bits."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big")


def encode_page(number: int, entries: Sequence[Entry], header_crc: int) -> bytes:
    """Give the page with this number; `entries` are (hash, place), PAGE_ENTRIES at most."""
    body = b"".join(
        (_PAGE_HEAD.pack(0, len(entries), number)[4:], *(_ENTRY.pack(*entry) for entry in entries))
    )
    body += bytes(PAGE_BYTES - 4 - len(body))
    return _U32.pack(crc32(body, header_crc)) + body


def decode_page(data: bytes, number: int, header_crc: int) -> list[Entry]:
    """Give a page's entries; raise BadSnapshot."""
    if len(data) != PAGE_BYTES or crc32(data[4:], header_crc) != _U32.unpack_from(data)[0]:
        raise BadSnapshot("a page of the lookup does not have the checksum it was written with")
    _, n, found = _PAGE_HEAD.unpack_from(data)
    if found != number or n > PAGE_ENTRIES:
        raise BadSnapshot(f"page {found} of the lookup, with {n} entries, where {number} belongs")
    end = _PAGE_HEAD.size + n * _ENTRY.size
    return list(_ENTRY.iter_unpack(data[_PAGE_HEAD.size : end]))


def places_of(key: str, page_n: int, page: Callable[[int], list[Entry]]) -> Iterator[int]:
    """Yield the places that a key's hash has; `page` reads a page by its number."""
    wanted = lookup_hash(key)
    low, high = 0, page_n  # the first page whose last hash is not before the wanted one is between
    guess, tries = page_n * wanted >> 64, 0
    while low < high:
        entries = page(guess)
        first, last = entries[0][0], entries[-1][0]
        if last < wanted:
            low = guess + 1
        else:
            high = guess
            low = high if first < wanted else low
        guess += (wanted - first) * page_n >> 64
        tries += 1
        if tries > GUESSES_MAX:
            guess = (low + high) // 2
        guess = max(low, min(guess, high - 1))
    yield from _places_from(low, wanted, page_n, page)


def _places_from(
    number: int, wanted: int, page_n: int, page: Callable[[int], list[Entry]]
) -> Iterator[int]:
    while number < page_n:
        entries = page(number)
        for found, place in entries[bisect_left(entries, (wanted, 0)) :]:
            if found != wanted:
                return
            yield place
        number += 1
