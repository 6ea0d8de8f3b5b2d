"""What is written into a request's slots when it is sent."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy
from core.keys cimport Draw
from core.payload cimport SLOT_BYTES, SLOT_ID, SLOT_INDEX, SLOT_STAMP, SLOT_UUID, SLOT_VALUE, Payload, Slot
from core.record cimport Record
from core.state cimport Loop, Settings
from wire.value cimport stamp_write

cdef inline void _digits(uint8_t* out, int64_t value, int width) noexcept nogil:
    """Decimal, zero-padded to the width; a minus takes the first place."""
    cdef int at = width, first = 0
    if value < 0:
        value = -value
        out[0] = c"-"
        first = 1
    while at > first:
        at -= 1
        out[at] = <uint8_t>(c"0" + value % 10)
        value //= 10

cdef inline void _id(uint8_t* out, const Settings* settings, int64_t index) noexcept nogil:
    """`<tag>-<index>`."""
    memcpy(out, settings.tag, settings.n_tag_bytes)
    out[settings.n_tag_bytes] = c"-"
    _digits(out + settings.n_tag_bytes + 1, index, SLOT_BYTES - 1 - settings.n_tag_bytes)

cdef inline uint64_t _mixed(uint64_t x) noexcept nogil:
    """splitmix64's finish: every bit of the result depends on every bit of x."""
    x = (x ^ (x >> 30)) * <uint64_t>0xBF58476D1CE4E5B9u
    x = (x ^ (x >> 27)) * <uint64_t>0x94D049BB133111EBu
    return x ^ (x >> 31)

cdef inline uint64_t _tag_hash(const Settings* settings) noexcept nogil:
    """FNV-1a."""
    cdef uint64_t hash = <uint64_t>0xCBF29CE484222325u
    cdef int i
    for i in range(settings.n_tag_bytes):
        hash = (hash ^ <uint8_t>settings.tag[i]) * <uint64_t>0x100000001B3u
    return hash

cdef inline void _uuid(uint8_t* out, const Settings* settings, int64_t index) noexcept nogil:
    """Version 8: bits of run and index. Source: RFC 9562, 5.8."""
    cdef uint64_t[2] bits
    cdef int at = 0, i
    bits[0] = _mixed(_tag_hash(settings)) & ~<uint64_t>0xF000 | <uint64_t>0x8000
    bits[1] = _mixed(<uint64_t>index + bits[0]) >> 2 | <uint64_t>1 << 63
    for i in range(32):
        if i == 8 or i == 12 or i == 16 or i == 20:
            out[at] = c"-"
            at += 1
        out[at] = b"0123456789abcdef"[(bits[i >> 4] >> (60 - 4 * (i & 15))) & 15]
        at += 1

cdef inline void slot_write(
    uint8_t* out, const Slot* slot, const Payload* payload, const Loop* loop, const Record* record, const Draw* draw
) noexcept nogil:
    """Fill slot.width bytes."""
    if slot.kind == SLOT_ID:
        _id(out, &loop.settings, record.index)
    elif slot.kind == SLOT_VALUE:
        _digits(out, draw.values[slot.value], slot.width)
    elif slot.kind == SLOT_STAMP:
        stamp_write(out, payload.crc, loop.settings.value_tag, draw.key, draw.version)
    elif slot.kind == SLOT_INDEX:
        _digits(out, record.index, slot.width)
    else:
        _uuid(out, &loop.settings, record.index)

cdef inline void slots_fill(uint8_t* out, const Loop* loop, const Record* record, const Draw* draw) noexcept nogil:
    """Fill all slots of a request whose raw bytes are at `out`."""
    cdef const Payload* payload = &loop.pool.payloads[record.payload]
    cdef const Slot* slot = &loop.pool.slots[payload.slot_from]
    cdef int i
    for i in range(payload.n_slots):
        slot_write(out + slot[i].at, &slot[i], payload, loop, record, draw)
