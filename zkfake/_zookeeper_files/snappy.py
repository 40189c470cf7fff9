"""Snappy, as Java's ``SnappyOutputStream`` writes it: only what reads it.

A stream is a header and blocks, each with its length. A block is the length of what it stands for,
and elements: bytes as they are, or a copy of some that are there already.
"""

from __future__ import annotations

from struct import Struct

__all__ = ["SnappyError", "decompressed"]

_MAGIC = b"\x82SNAPPY\0"
_LENGTH = Struct(">i")


class SnappyError(ValueError):
    """Bytes are no stream of Snappy."""


def decompressed(data: bytes) -> bytes:
    """What a stream stands for. Raises `SnappyError`."""
    if not data.startswith(_MAGIC) or len(data) < 16:
        raise SnappyError("it does not begin as a stream of Snappy does")
    parts, place = [], 16  # after two versions
    try:
        while place < len(data):
            if data.startswith(_MAGIC, place):  # streams may follow each other
                place += 16
                continue
            (length,) = _LENGTH.unpack_from(data, place)
            place += 4
            if not 0 < length <= len(data) - place:
                raise SnappyError("a block is cut")
            parts.append(_block(data[place : place + length]))
            place += length
    except (IndexError, ValueError, OverflowError) as error:
        raise SnappyError(str(error) or "a block is damaged") from None
    except Exception as error:  # struct.error
        raise SnappyError("a block is cut") from error
    return b"".join(parts)


def _block(data: bytes) -> bytes:
    size = place = 0
    for shift in range(0, 35, 7):  # a length has 32 bits
        byte = data[place]
        place += 1
        size |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
    else:
        raise SnappyError("a block has a length of more than 32 bits")
    out = bytearray()
    while place < len(data):
        tag = data[place]
        place += 1
        kind = tag & 3
        if kind == 0:
            length = tag >> 2
            if length >= 60:
                width = length - 59
                length = int.from_bytes(data[place : place + width], "little")
                place += width
            out += data[place : place + length + 1]
            place += length + 1
            continue
        if kind == 1:
            length, offset = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | data[place]
            place += 1
        else:
            width = 2 if kind == 2 else 4
            length = (tag >> 2) + 1
            offset = int.from_bytes(data[place : place + width], "little")
            place += width
        start = len(out) - offset
        if not 0 < offset <= len(out):
            raise SnappyError("a copy begins before the data")
        while length:  # what is copied may be what was copied just now
            piece = out[start : start + length]
            out += piece
            start += len(piece)
            length -= len(piece)
    if len(out) != size or place != len(data):
        raise SnappyError("a block has another length than it says")
    return bytes(out)
