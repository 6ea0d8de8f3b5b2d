"""The inside of a JSON string: where it stops being plain, and what its escapes stand for. No socket, clock or malloc.

Source: RFC 8259 section 7. A surrogate without its other half stands for U+FFFD.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from wire.codes cimport WIRE_ERROR, WIRE_EVENT, WIRE_MORE

cdef extern from *:
    int __builtin_ctzll(unsigned long long word) noexcept nogil

cdef struct TextEscape:
    uint16_t unit            # of a \uXXXX: the digits so far
    uint16_t high            # a high surrogate whose low one must come next; 0: none
    uint8_t[6] decoded       # UTF-8 of the escape that is complete
    uint8_t n_decoded
    uint8_t n_hex            # 0: the letter must come; 1 to 4: that digit must come

cdef inline const uint8_t* text_stop(const uint8_t* at, const uint8_t* end) noexcept nogil:
    """The first quote, backslash or control character, or the end. Eight bytes at a time."""
    cdef uint64_t ones = 0x0101010101010101u
    cdef uint64_t word
    cdef uint64_t found
    while end - at >= 8:
        word = _word(at)
        # In an ASCII byte the top bit of a difference shows a borrow. The lowest is true; higher ones may be carried.
        found = (word ^ (ones * c'"')) - ones | (word ^ (ones * c"\\")) - ones | word - ones * 0x20
        found &= ~word & ones * 0x80
        if found:
            return at + (__builtin_ctzll(found) >> 3)
        at += 8
    while at < end and at[0] != c'"' and at[0] != c"\\" and at[0] >= 0x20:
        at += 1
    return at

cdef inline uint64_t _word(const uint8_t* at) noexcept nogil:
    """Eight bytes, the first one lowest on every machine; compilers make one load of it."""
    return (<uint64_t> at[0] | <uint64_t> at[1] << 8 | <uint64_t> at[2] << 16 | <uint64_t> at[3] << 24
            | <uint64_t> at[4] << 32 | <uint64_t> at[5] << 40 | <uint64_t> at[6] << 48 | <uint64_t> at[7] << 56)

cdef inline void escape_start(TextEscape* escape) noexcept nogil:
    """A backslash has come. A high surrogate before it stays."""
    escape.n_hex = 0
    escape.unit = 0

cdef inline int escape_feed(TextEscape* escape, uint8_t byte) noexcept nogil:
    """Return WIRE_MORE, WIRE_EVENT (complete; n_decoded bytes, 0 after a high surrogate) or WIRE_ERROR."""
    cdef int digit
    cdef uint8_t letter
    if escape.n_hex == 0:
        if byte == c"u":
            escape.n_hex = 1
            return WIRE_MORE
        letter = _letter(byte)
        escape.unit = letter
        return _unit_ends(escape) if letter else WIRE_ERROR
    digit = _hex_digit(byte)
    if digit < 0:
        return WIRE_ERROR
    escape.unit = <uint16_t> (escape.unit << 4 | digit)
    escape.n_hex += 1
    return _unit_ends(escape) if escape.n_hex == 5 else WIRE_MORE

cdef inline uint8_t _letter(uint8_t byte) noexcept nogil:
    """What a backslash and that byte stand for; 0: nothing."""
    if byte == c'"' or byte == c"\\" or byte == c"/":
        return byte
    if byte == c"n":
        return c"\n"
    if byte == c"t":
        return c"\t"
    if byte == c"r":
        return c"\r"
    if byte == c"b":
        return 8
    return 12 if byte == c"f" else 0

cdef inline int _hex_digit(uint8_t byte) noexcept nogil:
    if c"0" <= byte <= c"9":
        return byte - c"0"
    byte |= 32
    return byte - c"a" + 10 if c"a" <= byte <= c"f" else -1

cdef inline int _unit_ends(TextEscape* escape) noexcept nogil:
    cdef uint32_t point = escape.unit
    escape.n_decoded = 0
    if 0xDC00 <= point < 0xE000 and escape.high:
        point = 0x10000 + ((<uint32_t> escape.high - 0xD800) << 10) + (point - 0xDC00)
        escape.high = 0
    elif escape.high:
        escape.high = 0
        _utf8(escape, 0xFFFD)
    if 0xD800 <= point < 0xDC00:
        escape.high = <uint16_t> point
        return WIRE_EVENT
    _utf8(escape, 0xFFFD if 0xDC00 <= point < 0xE000 else point)
    return WIRE_EVENT

cdef inline void _utf8(TextEscape* escape, uint32_t point) noexcept nogil:
    cdef uint8_t* at = escape.decoded + escape.n_decoded
    if point < 0x80:
        at[0] = <uint8_t> point
        escape.n_decoded += 1
        return
    if point < 0x800:
        at[0] = <uint8_t> (0xC0 | point >> 6)
        at[1] = <uint8_t> (0x80 | point & 0x3F)
        escape.n_decoded += 2
        return
    if point < 0x10000:
        at[0] = <uint8_t> (0xE0 | point >> 12)
        at[1] = <uint8_t> (0x80 | point >> 6 & 0x3F)
        at[2] = <uint8_t> (0x80 | point & 0x3F)
        escape.n_decoded += 3
        return
    at[0] = <uint8_t> (0xF0 | point >> 18)
    at[1] = <uint8_t> (0x80 | point >> 12 & 0x3F)
    at[2] = <uint8_t> (0x80 | point >> 6 & 0x3F)
    at[3] = <uint8_t> (0x80 | point & 0x3F)
    escape.n_decoded += 4
