"""The ids that a JSON answer names, one after the other. No socket, clock or malloc.

A reader for answers of which nothing else matters: what is no JSON names no ids, and is no error. Documents may follow
each other. Source: RFC 8259.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcmp

from wire.codes cimport WIRE_ERROR, WIRE_EVENT, WIRE_MORE
from wire.json_text cimport TextEscape, escape_feed, escape_start, text_stop

cdef enum:
    IDS_DEPTH = 64           # what is nested deeper names no ids
    IDS_KEY_BYTES = 3        # of the longest key that matters
    IDS_MAX = 9223372036854775807   # a larger id is this one

cdef enum IdsState:
    IDS_VALUE                # a value must come, or ] of an empty array
    IDS_KEY                  # a key or }
    IDS_COLON
    IDS_AFTER                # a comma or the container's end
    IDS_IN_KEY
    IDS_IN_STRING
    IDS_ESCAPE_IN_KEY
    IDS_ESCAPE_IN_STRING
    IDS_NUMBER               # that is an id
    IDS_WORD                 # true, false, null, or a number that does not matter
    IDS_DEEP                 # below IDS_DEPTH: only brackets and strings are told apart
    IDS_DEEP_STRING
    IDS_DEEP_ESCAPE
    IDS_RUBBISH              # this is no JSON

cdef struct IdsReader:
    TextEscape escape
    int64_t id               # after WIRE_EVENT
    uint64_t digits          # of the number being read, or those that the string being read ends in so far
    uint64_t is_object       # a bit a level: an object, not an array
    uint64_t is_wanted       # a bit a level: an array of ids
    uint64_t n_deep          # open levels beyond IDS_DEPTH
    uint8_t depth            # open levels up to IDS_DEPTH
    uint8_t state            # IdsState
    uint8_t wants            # the value that comes or is being read is an id
    uint8_t has_digits
    uint8_t is_negative
    uint8_t n_key            # bytes of the key that is being read; IDS_KEY_BYTES + 1: it is longer
    uint8_t[3] key

cdef inline void ids_reset(IdsReader* reader) noexcept nogil:
    reader.state = IDS_VALUE
    reader.depth = 0
    reader.n_deep = 0
    reader.wants = 0
    reader.escape.high = 0

cdef inline int ids_feed(IdsReader* reader, const uint8_t* data, size_t n_bytes, size_t* n_used) noexcept nogil:
    """Eat up to the end of the next id: a string or a whole number whose nearest key is "id" or "ids", however many
    arrays lie between. Of a string its trailing digits count, and without any it is none.

    Return WIRE_EVENT (reader.id; feed the rest again) or WIRE_MORE (all eaten).
    """
    cdef const uint8_t* at = data
    cdef const uint8_t* end = data + n_bytes
    cdef int code = WIRE_MORE
    while at < end and code == WIRE_MORE:
        if reader.state <= IDS_AFTER:
            at = _structure(reader, at, end)
        elif reader.state == IDS_WORD:
            at = _word(reader, at, end)
        elif reader.state == IDS_IN_STRING or reader.state == IDS_IN_KEY:
            at = _string(reader, at, end, &code)
        elif reader.state == IDS_NUMBER:
            at = _number(reader, at, end, &code)
        elif reader.state <= IDS_ESCAPE_IN_STRING:
            _escape(reader, at[0])
            at += 1
        elif reader.state == IDS_RUBBISH:
            at = end
        else:
            at = _deep(reader, at, end)
    n_used[0] = at - data
    return code

cdef inline const uint8_t* _structure(IdsReader* reader, const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Eat what stands between keys and values, up to the first byte of the next one or the end."""
    while at < end and reader.state <= IDS_AFTER:
        if at[0] != c" " and at[0] != c"\n" and at[0] != c"\r" and at[0] != c"\t":
            _structure_byte(reader, at[0])
        at += 1
    return at

cdef inline void _structure_byte(IdsReader* reader, uint8_t byte) noexcept nogil:
    if byte == c"}" or byte == c"]":
        _close(reader, byte)
    elif reader.state == IDS_VALUE:
        _value_begins(reader, byte)
    elif reader.state == IDS_AFTER and byte == c",":
        _next_member(reader)
    elif reader.state == IDS_KEY and byte == c'"':
        reader.state = IDS_IN_KEY
        reader.n_key = 0
        reader.escape.high = 0
    elif reader.state == IDS_COLON and byte == c":":
        reader.state = IDS_VALUE
    else:
        reader.state = IDS_RUBBISH

cdef inline bint _bit(uint64_t bits, uint8_t level) noexcept nogil:
    return bits >> level & 1

cdef inline void _next_member(IdsReader* reader) noexcept nogil:
    if _bit(reader.is_object, reader.depth - 1):
        reader.state = IDS_KEY
    else:
        reader.state = IDS_VALUE
        reader.wants = _bit(reader.is_wanted, reader.depth - 1)

cdef inline void _value_begins(IdsReader* reader, uint8_t byte) noexcept nogil:
    if byte == c'"':
        reader.state = IDS_IN_STRING
        reader.has_digits = reader.is_negative = 0
        reader.escape.high = 0
    elif byte == c"{" or byte == c"[":
        _open(reader, byte)
    elif byte == c"-" or c"0" <= byte <= c"9":
        reader.state = IDS_NUMBER if reader.wants else IDS_WORD
        reader.is_negative = byte == c"-"
        reader.has_digits = 0
        if not reader.is_negative:
            _digit(reader, byte)
    elif byte == c"t" or byte == c"f" or byte == c"n":
        reader.state = IDS_WORD
    else:
        reader.state = IDS_RUBBISH

cdef inline void _open(IdsReader* reader, uint8_t byte) noexcept nogil:
    cdef uint64_t bit = <uint64_t> 1 << reader.depth % IDS_DEPTH
    if reader.depth == IDS_DEPTH:
        reader.state = IDS_DEEP
        reader.n_deep = 1
        return
    reader.depth += 1
    if byte == c"{":
        reader.is_object |= bit
        reader.is_wanted &= ~bit
        reader.state = IDS_KEY
        return
    reader.is_object &= ~bit
    reader.is_wanted = reader.is_wanted | bit if reader.wants else reader.is_wanted & ~bit
    reader.state = IDS_VALUE

cdef inline void _close(IdsReader* reader, uint8_t byte) noexcept nogil:
    """A comma before it is let pass."""
    cdef uint8_t begun = IDS_KEY if byte == c"}" else IDS_VALUE
    if (reader.depth == 0 or _bit(reader.is_object, reader.depth - 1) != (byte == c"}")
            or reader.state != IDS_AFTER and reader.state != begun):
        reader.state = IDS_RUBBISH
        return
    reader.depth -= 1
    _value_ends(reader)

cdef inline void _value_ends(IdsReader* reader) noexcept nogil:
    reader.state = IDS_AFTER
    if reader.depth == 0:
        reader.state = IDS_VALUE
        reader.wants = 0

cdef inline const uint8_t* _word(IdsReader* reader, const uint8_t* at, const uint8_t* end) noexcept nogil:
    while at < end and (c"0" <= at[0] <= c"9" or at[0] == c"." or at[0] == c"-" or at[0] == c"+" or
                        c"a" <= (at[0] | 32) <= c"z"):
        at += 1
    if at < end:
        _value_ends(reader)
    return at

cdef inline const uint8_t* _number(
    IdsReader* reader, const uint8_t* at, const uint8_t* end, int* code,
) noexcept nogil:
    """Eat a number where an id may stand. One with a point or an exponent is none."""
    while at < end and c"0" <= at[0] <= c"9":
        if reader.has_digits and reader.digits == 0:  # 01
            reader.state = IDS_RUBBISH
            return at
        _digit(reader, at[0])
        at += 1
    if at == end:
        return at
    if not reader.has_digits:
        reader.state = IDS_RUBBISH
    elif at[0] == c"." or (at[0] | 32) == c"e":
        reader.state = IDS_WORD
    elif at[0] <= c" " or at[0] == c"," or at[0] == c"]" or at[0] == c"}":
        _say(reader, code)
    else:
        reader.state = IDS_RUBBISH
    return at

cdef inline void _say(IdsReader* reader, int* code) noexcept nogil:
    """A value that is an id is complete."""
    reader.id = <int64_t> min(reader.digits, <uint64_t> IDS_MAX)
    if reader.is_negative:
        reader.id = -reader.id
    code[0] = WIRE_EVENT
    _value_ends(reader)

cdef inline const uint8_t* _string(
    IdsReader* reader, const uint8_t* at, const uint8_t* end, int* code,
) noexcept nogil:
    """Eat a key or a string value up to its end, an escape, or the end of what has come."""
    cdef const uint8_t* stop = text_stop(at, end)
    if stop > at:
        reader.escape.high = 0
        _text(reader, at, stop - at)
    if stop == end:
        return end
    if stop[0] == c"\\":
        escape_start(&reader.escape)
        reader.state = IDS_ESCAPE_IN_KEY if reader.state == IDS_IN_KEY else IDS_ESCAPE_IN_STRING
    elif stop[0] != c'"':
        reader.state = IDS_RUBBISH
    elif reader.state == IDS_IN_KEY:
        reader.wants = (reader.n_key == 2 or reader.n_key == 3) and memcmp(reader.key, b"ids", reader.n_key) == 0
        reader.state = IDS_COLON
    elif reader.wants and reader.has_digits:
        _say(reader, code)
    else:
        _value_ends(reader)
    return stop + 1

cdef inline void _text(IdsReader* reader, const uint8_t* at, size_t n_bytes) noexcept nogil:
    """Some decoded bytes of a key or a string value."""
    cdef size_t i
    if reader.state == IDS_IN_STRING:
        if reader.wants:
            for i in range(n_bytes):
                _digit(reader, at[i])
        return
    for i in range(min(n_bytes, <size_t> IDS_KEY_BYTES + 1)):
        if reader.n_key < IDS_KEY_BYTES:
            reader.key[reader.n_key] = at[i]
        reader.n_key = min(reader.n_key + 1, IDS_KEY_BYTES + 1)

cdef inline void _digit(IdsReader* reader, uint8_t byte) noexcept nogil:
    if not c"0" <= byte <= c"9":
        reader.has_digits = 0
        return
    if not reader.has_digits:
        reader.digits = 0
        reader.has_digits = 1
    if reader.digits <= <uint64_t> IDS_MAX // 10:
        reader.digits = reader.digits * 10 + (byte - c"0")
    else:
        reader.digits = ~<uint64_t> 0

cdef inline void _escape(IdsReader* reader, uint8_t byte) noexcept nogil:
    """A byte after a backslash. Half of a surrogate pair is neither a digit nor part of a known key."""
    cdef int code = escape_feed(&reader.escape, byte)
    if code == WIRE_ERROR:
        reader.state = IDS_RUBBISH
    elif code == WIRE_EVENT:
        reader.state = IDS_IN_KEY if reader.state == IDS_ESCAPE_IN_KEY else IDS_IN_STRING
        if reader.escape.n_decoded:
            _text(reader, reader.escape.decoded, reader.escape.n_decoded)
        else:
            _text(reader, <const uint8_t*> b"?", 1)

cdef inline const uint8_t* _deep(IdsReader* reader, const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Eat a byte below IDS_DEPTH, or of a string there all that is plain."""
    if reader.state == IDS_DEEP_ESCAPE:
        reader.state = IDS_DEEP_STRING
        return at + 1
    if reader.state == IDS_DEEP_STRING:
        at = text_stop(at, end)
        if at == end:
            return end
        reader.state = IDS_DEEP if at[0] == c'"' else IDS_DEEP_ESCAPE if at[0] == c"\\" else IDS_RUBBISH
        return at + 1
    if at[0] == c'"':
        reader.state = IDS_DEEP_STRING
    elif at[0] == c"{" or at[0] == c"[":
        reader.n_deep += 1
    elif at[0] == c"}" or at[0] == c"]":
        reader.n_deep -= 1
        if reader.n_deep == 0:
            _value_ends(reader)
    return at + 1
