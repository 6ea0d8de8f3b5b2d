"""Bytes that are put together: a buffer that grows, numbers in decimal, chunk sizes in hexadecimal, ISO instants."""
from libc.stdint cimport int64_t, uint64_t, uint8_t
from libc.stdlib cimport abort, realloc
from libc.string cimport memcpy

from sim.posix cimport NS_PER_S, gmtime_r, tm

cdef enum:
    ISO_BYTES = 27

cdef struct Buffer:
    uint8_t* at
    size_t n
    size_t n_room

cdef struct IsoClock:
    long second             # of the text; it is made anew when the second changes
    uint8_t[32] text        # 2026-01-31T23:59:59


cdef inline void buffer_reserve(Buffer* buffer, size_t n_more) noexcept nogil:
    if buffer.n + n_more <= buffer.n_room:
        return
    buffer.n_room = 2 * (buffer.n + n_more)
    buffer.at = <uint8_t*>realloc(buffer.at, buffer.n_room)
    if buffer.at == NULL:
        abort()


cdef inline void put_bytes(Buffer* buffer, const void* data, size_t n) noexcept nogil:
    buffer_reserve(buffer, n)
    memcpy(buffer.at + buffer.n, data, n)
    buffer.n += n


cdef inline void put_text(Buffer* buffer, const char* text) noexcept nogil:
    cdef size_t n = 0
    while text[n] != 0:
        n += 1
    put_bytes(buffer, text, n)


cdef inline int decimal_width(uint64_t value) noexcept nogil:
    cdef int width = 1
    while value >= 10:
        value //= 10
        width += 1
    return width


cdef inline void write_decimal(uint8_t* into, uint64_t value, int width) noexcept nogil:
    """Exactly `width` digits, with zeros before."""
    cdef int i = width
    while i > 0:
        i -= 1
        into[i] = <uint8_t>(48 + value % 10)
        value //= 10


cdef inline void put_decimal(Buffer* buffer, int64_t value) noexcept nogil:
    cdef int width
    if value < 0:
        put_bytes(buffer, b"-", 1)
        value = -value
    width = decimal_width(<uint64_t>value)
    buffer_reserve(buffer, width)
    write_decimal(buffer.at + buffer.n, <uint64_t>value, width)
    buffer.n += width


cdef inline void put_padded(Buffer* buffer, uint64_t value, int width) noexcept nogil:
    buffer_reserve(buffer, width)
    write_decimal(buffer.at + buffer.n, value, width)
    buffer.n += width


cdef inline void put_hex(Buffer* buffer, uint64_t value) noexcept nogil:
    cdef int shift = 60
    cdef uint8_t digit
    while shift > 0 and (value >> shift) == 0:
        shift -= 4
    buffer_reserve(buffer, 16)
    while shift >= 0:
        digit = (value >> shift) & 15
        buffer.at[buffer.n] = digit + (48 if digit < 10 else 87)
        buffer.n += 1
        shift -= 4


cdef inline void put_seconds(Buffer* buffer, int64_t ns) noexcept nogil:
    """A duration in seconds, to the nanosecond."""
    put_decimal(buffer, ns // NS_PER_S)
    put_bytes(buffer, b".", 1)
    put_padded(buffer, <uint64_t>(ns % NS_PER_S), 9)


cdef inline void iso_refresh(IsoClock* clock, long second) noexcept nogil:
    cdef tm parts
    cdef uint8_t* text = clock.text
    clock.second = second
    gmtime_r(&second, &parts)
    memcpy(text, b"0000-00-00T00:00:00", 19)
    write_decimal(text, parts.tm_year + 1900, 4)
    write_decimal(text + 5, parts.tm_mon + 1, 2)
    write_decimal(text + 8, parts.tm_mday, 2)
    write_decimal(text + 11, parts.tm_hour, 2)
    write_decimal(text + 14, parts.tm_min, 2)
    write_decimal(text + 17, parts.tm_sec, 2)


cdef inline void write_iso(uint8_t* into, IsoClock* clock, int64_t unix_ns) noexcept nogil:
    """2026-01-31T23:59:59.123456Z, ISO_BYTES of it."""
    if <long>(unix_ns // NS_PER_S) != clock.second:
        iso_refresh(clock, <long>(unix_ns // NS_PER_S))
    memcpy(into, clock.text, 19)
    into[19] = c'.'
    write_decimal(into + 20, <uint64_t>(unix_ns % NS_PER_S // 1000), 6)
    into[26] = c'Z'


cdef inline void put_iso(Buffer* buffer, IsoClock* clock, int64_t unix_ns) noexcept nogil:
    buffer_reserve(buffer, ISO_BYTES)
    write_iso(buffer.at + buffer.n, clock, unix_ns)
    buffer.n += ISO_BYTES
