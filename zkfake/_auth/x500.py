"""Which texts are distinguished names to Java's ``X500Principal``: what ACL entries of the x509
scheme may name.

Java reads the default format, which is wider than RFC 2253: attributes with commas or semicolons
between them, values as they are, in double quotes or in hexadecimal after ``#``, blanks around
names. An attribute is one of Java's keywords or an object identifier in numbers. Java's exceptions
for quotes and backslashes are reproduced.
"""

import re

__all__ = ["is_distinguished_name"]

_KEYWORDS = frozenset(
    (
        *("CN", "C", "L", "S", "ST", "O", "OU", "T", "IP", "STREET", "DC", "DNQUALIFIER", "DNQ"),
        *("SURNAME", "GIVENNAME", "INITIALS", "GENERATION", "EMAIL", "EMAILADDRESS", "UID"),
        "SERIALNUMBER",
    )
)
_BLANKS = "".join(map(chr, range(33)))  # what Java's String.trim() removes
_OID = re.compile(r"[0-9]\d*(\.\d+)+")
_HEX = "0123456789ABCDEFabcdef"
_ESCAPABLE = ',=\n+<>#;\\"'
_SEPARATORS = ",+;"
_TO_BE_ESCAPED = ',+<>;"'


def is_distinguished_name(text: str) -> bool:
    """Whether Java makes an ``X500Principal`` of ``text``; the empty one is one. Cost: linear."""
    if not text:
        return True
    start, at, quotes = 0, 0, 0
    for match in re.finditer("[,;]", text):
        end = match.start()
        quotes += _count_quotes(text, at, end)
        if quotes != 1 and not _is_escaped(text, at, end):
            if not _is_relative_name(text[start:end]):
                return False
            start, quotes = end + 1, 0
        at = end + 1
    return _is_relative_name(text[start:])


def _count_quotes(text: str, start: int, end: int) -> int:
    """The double quotes in ``text[start:end]`` without a backslash right before them."""
    return text.count('"', start, end) - text.count('\\"', start, end)


def _is_escaped(text: str, start: int, end: int) -> bool:
    """Whether a backslash escapes the separator at ``end``. After two backslashes in a row, all of
    them since ``start`` are counted.
    """
    before = text[max(end - 2, 0) : end]
    if before == "\\\\":
        return text.count("\\", start, end) % 2 == 1
    return before.endswith("\\")


def _is_relative_name(text: str) -> bool:
    """One or more attributes with plus signs between them."""
    start, at, quotes = 0, 0, 0
    for match in re.finditer(r"\+", text):
        end = match.start()
        quotes += _count_quotes(text, at, end)
        if end and text[end - 1] != "\\" and quotes != 1:
            if not _is_attribute(text[start:end]):
                return False
            start, quotes = end + 1, 0
        at = end + 1
    return _is_attribute(text[start:])


def _is_attribute(text: str) -> bool:
    keyword, equals, value = text.partition("=")
    if not equals or not _is_type(keyword.upper().strip(_BLANKS)):
        return False
    value = value.lstrip(" \n")
    if value.startswith("#"):
        return _is_encoded(value[1:])
    return _is_quoted(value[1:]) if value.startswith('"') else _is_plain(value)


def _is_type(keyword: str) -> bool:
    if keyword in _KEYWORDS:
        return True
    number = keyword.removeprefix("OID.")
    if _OID.fullmatch(number) is None:
        return False
    # The first four digits decide; converting all of them could be slow.
    first, second = (int(part.lstrip("0")[:4] or 0) for part in number.split(".")[:2])
    return (first < 2 and second < 40) or first == 2


def _is_encoded(text: str) -> bool:
    """One value in hexadecimal digits, encoded by BER: Java takes lengths that are longer than they
    need to be, and values without a length, which end with two zeros. The outermost one has to be
    constructed then, and its tag is one byte.
    """
    if len(text) % 2 or not text or text.strip(_HEX):
        return False
    data = bytes.fromhex(text)
    if data[0] & 0x1F == 0x1F or (data[1:2] == b"\x80" and not data[0] & 0x20):
        return False
    at = unended = 0
    while at + 2 <= len(data):
        length, at = data[at + 1], at + 2
        if unended and data[at - 2 : at] == b"\0\0":
            unended -= 1
        elif length == 0x80:
            unended += 1
        elif length & 0x80:
            size = length & 0x7F
            if size > 4 or at + size > len(data):
                return False
            at += size + int.from_bytes(data[at : at + size], "big")
        else:
            at += length
        if not unended:
            break
    return at > 0 and not unended and at == len(data)


def _is_quoted(text: str) -> bool:
    end = _skip(text, '"')
    return end is not None and end < len(text) and not text[end + 1 :].strip(" \n")


def _is_plain(text: str) -> bool:
    return _skip(text, "") is not None


def _skip(text: str, end: str) -> int | None:
    """Where the character ``end`` comes, a separator in the middle of a plain value, or the end of
    the text; ``None`` where a backslash stands before what it may not, or a character without one
    that needs it.
    """
    escapable = _ESCAPABLE if end else _ESCAPABLE + " "
    at = 0
    while at < len(text):
        character = text[at]
        if character == "\\":
            escaped = text[at + 1 : at + 2]
            if escaped and escaped in _HEX:
                if text[at + 2 : at + 3] not in tuple(_HEX):
                    return None
                at += 1
            elif not escaped or escaped not in escapable:
                return None
            at += 2
            continue
        if character == end:
            return at
        if not end and at and character in _SEPARATORS:
            return at
        if not end and character in _TO_BE_ESCAPED:
            return None
        at += 1
    return at
