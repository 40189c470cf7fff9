"""Screenshots, small enough for a repository: a PNG with at most 256 colours."""

from __future__ import annotations

import zlib
from collections import Counter
from struct import pack, unpack

__all__ = ["smaller"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {2: 3, 6: 4}
"""By PNG's number for what a pixel has: red, green, blue; and alpha, which is left out."""
_ALIKE = 60
"""How far apart two colours are that are taken for one: the sum of the squares."""


def smaller(image: bytes) -> bytes:
    """The picture again, in its most common colours: others become the nearest of them.

    ``image``: a PNG of 8 bits a channel, without interlacing, as browsers write them.
    """
    width, height, rows = _read(image)
    colors: list[bytes] = []
    numbers: dict[bytes, int] = {}
    for color, _ in Counter(pixel for row in rows for pixel in row).most_common():
        away = [sum((a - b) ** 2 for a, b in zip(color, each, strict=True)) for each in colors]
        if len(colors) < 256 and min(away, default=_ALIKE) >= _ALIKE:
            numbers[color] = len(colors)
            colors.append(color)
        else:
            numbers[color] = away.index(min(away))
    lines = b"".join(b"\0" + bytes(map(numbers.__getitem__, row)) for row in rows)
    parts = {
        b"IHDR": pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0),
        b"PLTE": b"".join(colors),
        b"IDAT": zlib.compress(lines, 9),
        b"IEND": b"",
    }
    return _SIGNATURE + b"".join(
        pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))
        for kind, data in parts.items()
    )


def _read(image: bytes) -> tuple[int, int, list[list[bytes]]]:
    """Width, height, and the colours of each row."""
    place, packed, width, height, size = len(_SIGNATURE), b"", 0, 0, 3
    while place < len(image):
        (length,) = unpack(">I", image[place : place + 4])
        kind, data = image[place + 4 : place + 8], image[place + 8 : place + 8 + length]
        place += length + 12
        if kind == b"IHDR":
            width, height, _, color = unpack(">IIBB", data[:10])
            size = _CHANNELS[color]
        elif kind == b"IDAT":
            packed += data
    raw, stride = zlib.decompress(packed), width * size
    rows, above = [], bytes(stride)
    for start in range(0, height * (stride + 1), stride + 1):
        above = _unfiltered(raw[start], raw[start + 1 : start + 1 + stride], above, size)
        rows.append([above[at : at + 3] for at in range(0, stride, size)])
    return width, height, rows


def _unfiltered(kind: int, line: bytes, above: bytes, size: int) -> bytes:
    """A row as it was before one of PNG's filters, which write differences to its neighbours."""
    row = bytearray(line)
    for at, value in enumerate(line):
        left = row[at - size] if at >= size else 0
        up = above[at]
        corner = above[at - size] if at >= size else 0
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = up
        elif kind == 3:
            guess = (left + up) // 2
        elif kind == 4:
            guess = min((left, up, corner), key=lambda each: abs(left + up - corner - each))
        else:
            return line
        row[at] = (value + guess) & 255
    return bytes(row)
