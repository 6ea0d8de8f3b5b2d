"""The stamp at the end of a checked value: whose it is, which version, and whether it is whole.

No socket, clock or malloc.
tag(8 hex) key(12 decimal) version(10 decimal) crc(8 hex, lower case): CRC-32C over all that stands before those last 8.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove

from wire.crc32c cimport crc32c_feed

cdef enum:
    STAMP_BYTES = 38
    STAMP_KEY_AT = 8
    STAMP_VERSION_AT = 20
    STAMP_CRC_AT = 30
    STAMP_TAG_BYTES = 8
    STAMP_KEY_DIGITS = 12
    STAMP_VERSION_DIGITS = 10
    NO_KEY = -1

cdef enum ValueVerdict:
    VALUE_GOOD = 0
    VALUE_SHORT = 1          # shorter than a stamp
    VALUE_TORN = 2           # its CRC is not that of its bytes, or its stamp is none
    VALUE_FOREIGN = 3        # whole, but with the tag of another run

cdef struct ValueReader:
    int64_t n_bytes          # that have come
    int64_t key              # NO_KEY until value_finish() found the value whole
    uint32_t version         # 0 likewise
    uint32_t crc             # register over all but what is held
    uint8_t[38] held         # the last bytes: they may be the stamp
    uint8_t n_held

cdef inline void value_reset(ValueReader* reader) noexcept nogil:
    reader.n_bytes = 0
    reader.key = NO_KEY
    reader.version = 0
    reader.crc = 0xFFFFFFFFu
    reader.n_held = 0

cdef inline void value_feed(ValueReader* reader, const uint8_t* data, size_t n_bytes) noexcept nogil:
    """Some bytes of the value."""
    cdef size_t n_passed
    reader.n_bytes += <int64_t> n_bytes
    if n_bytes >= STAMP_BYTES:
        n_passed = n_bytes - STAMP_BYTES
        reader.crc = crc32c_feed(reader.crc, reader.held, reader.n_held)
        reader.crc = crc32c_feed(reader.crc, data, n_passed)
        memcpy(reader.held, data + n_passed, STAMP_BYTES)
        reader.n_held = STAMP_BYTES
        return
    if reader.n_held + n_bytes > STAMP_BYTES:
        n_passed = reader.n_held + n_bytes - STAMP_BYTES
        reader.crc = crc32c_feed(reader.crc, reader.held, n_passed)
        reader.n_held -= <uint8_t> n_passed
        memmove(reader.held, reader.held + n_passed, reader.n_held)
    if n_bytes:
        memcpy(reader.held + reader.n_held, data, n_bytes)
        reader.n_held += <uint8_t> n_bytes

cdef inline int value_finish(ValueReader* reader, const char* tag) noexcept nogil:
    """The value has ended. tag: this run's. Return ValueVerdict; key and version hold if it is whole."""
    cdef uint8_t[8] expected
    cdef int64_t key
    cdef int64_t version
    if reader.n_held < STAMP_BYTES:
        return VALUE_SHORT
    _write_crc(expected, crc32c_feed(reader.crc, reader.held, STAMP_CRC_AT))
    if memcmp(expected, reader.held + STAMP_CRC_AT, 8) != 0:
        return VALUE_TORN
    key = _number(reader.held + STAMP_KEY_AT, STAMP_KEY_DIGITS)
    version = _number(reader.held + STAMP_VERSION_AT, STAMP_VERSION_DIGITS)
    if key < 0 or not 0 <= version <= <int64_t> 0xFFFFFFFFu:
        return VALUE_TORN
    reader.key = key
    reader.version = <uint32_t> version
    return VALUE_GOOD if memcmp(reader.held, tag, STAMP_TAG_BYTES) == 0 else VALUE_FOREIGN

cdef inline void stamp_write(uint8_t* at, uint32_t crc, const char* tag, int64_t key, uint32_t version) noexcept nogil:
    """Write STAMP_BYTES. crc: the register over the value's bytes before the stamp. key: 0 to 10^12 - 1."""
    memcpy(at, tag, STAMP_TAG_BYTES)
    _write_number(at + STAMP_KEY_AT, <uint64_t> key, STAMP_KEY_DIGITS)
    _write_number(at + STAMP_VERSION_AT, version, STAMP_VERSION_DIGITS)
    _write_crc(at + STAMP_CRC_AT, crc32c_feed(crc, at, STAMP_CRC_AT))

cdef inline void _write_crc(uint8_t* at, uint32_t crc) noexcept nogil:
    """The complement of the register, in lower case."""
    cdef const char* digits = b"0123456789abcdef"
    cdef int i
    crc = ~crc
    for i in range(8):
        at[i] = <uint8_t> digits[crc >> (28 - 4 * i) & 15]

cdef inline void _write_number(uint8_t* at, uint64_t value, int n_digits) noexcept nogil:
    while n_digits:
        n_digits -= 1
        at[n_digits] = <uint8_t> (c"0" + value % 10)
        value //= 10

cdef inline int64_t _number(const uint8_t* at, int n_digits) noexcept nogil:
    """The decimal number, or -1 where a byte is no digit."""
    cdef int64_t value = 0
    cdef int i
    for i in range(n_digits):
        if not c"0" <= at[i] <= c"9":
            return -1
        value = value * 10 + (at[i] - c"0")
    return value
