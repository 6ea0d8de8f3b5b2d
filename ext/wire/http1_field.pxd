"""Header and trailer lines of HTTP/1, and what the few that matter to a client say. No socket, clock or malloc.

Strict where leniency has let responses be read in two ways: no folding, no blank before the colon, no bare carriage
return, no control characters. A line feed alone ends a line.
Sources: RFC 9112 sections 2.2, 5 and 6; RFC 9110 sections 5.5, 8.4, 8.6 and 10.2.3.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memcmp

from wire.codes cimport (REASON_BARE_CR, REASON_CONTENT_LENGTH, REASON_FIELD_FOLDED, REASON_FIELD_NAME,
                         REASON_FIELD_VALUE, REASON_HEAD_TOO_LONG, REASON_LINE_TOO_LONG, REASON_NONE, WIRE_DONE,
                         WIRE_ERROR, WIRE_MORE)

cdef enum:
    HEAD_BYTES_MAX = 65536        # of all lines of a response, those of 1xx heads and trailers included
    HEAD_LINE_BYTES_MAX = 16384
    WORD_BYTES = 32               # longer names and words are none that are known
    NO_LENGTH = -1
    LENGTH_MAX = 9223372036854775807
    RETRY_AFTER_MAX_S = 2147483647

cdef enum ContentKind:
    CONTENT_OTHER = 0
    CONTENT_SSE = 1
    CONTENT_NDJSON = 2
    CONTENT_JSON = 3
    CONTENT_HTML = 4

cdef enum FieldKind:
    FIELD_OTHER
    FIELD_CONTENT_LENGTH
    FIELD_TRANSFER_ENCODING
    FIELD_CONNECTION
    FIELD_CONTENT_TYPE
    FIELD_CONTENT_ENCODING
    FIELD_RETRY_AFTER

cdef enum FieldState:
    FIELD_LINE               # at a line's start
    FIELD_NAME
    FIELD_BEFORE_VALUE       # blanks after the colon
    FIELD_VALUE
    FIELD_LINE_FEED          # after a carriage return
    FIELD_LAST_LINE_FEED     # after that of the empty line

cdef struct FieldReader:
    int64_t content_length        # NO_LENGTH: not given
    int64_t number                # of the value being read; NO_LENGTH: no digit yet
    uint32_t head_bytes
    uint32_t line_bytes
    int32_t retry_after_s         # NO_LENGTH: not given, or given as a date
    uint8_t[32] word              # the name or word being read, in lower case
    uint8_t n_word                # WORD_BYTES + 1: too long to be a known one
    uint8_t word_has_ended        # a blank came after it
    uint8_t state                 # FieldState
    uint8_t field                 # FieldKind
    uint8_t is_trailer            # lines are checked, and mean nothing
    uint8_t content_kind          # ContentKind
    uint8_t n_chunked             # transfer codings that are chunked
    uint8_t has_transfer_coding
    uint8_t has_other_coding      # a transfer coding that is not chunked
    uint8_t is_compressed         # a content coding that is not identity
    uint8_t says_close
    uint8_t says_keep_alive
    uint8_t error                 # WireReason

cdef inline void field_reset(FieldReader* reader) noexcept nogil:
    """A new response begins."""
    reader.head_bytes = 0
    reader.error = REASON_NONE
    field_next_head(reader)

cdef inline void field_next_head(FieldReader* reader) noexcept nogil:
    """The head was that of an interim response: its lines count towards the limit, and mean nothing."""
    reader.content_length = reader.retry_after_s = NO_LENGTH
    reader.state = FIELD_LINE
    reader.line_bytes = 0
    reader.is_trailer = 0
    reader.content_kind = CONTENT_OTHER
    reader.n_chunked = reader.has_transfer_coding = reader.has_other_coding = 0
    reader.is_compressed = reader.says_close = reader.says_keep_alive = 0

cdef inline int field_fail(FieldReader* reader, uint8_t reason) noexcept nogil:
    reader.error = reason
    return WIRE_ERROR

cdef inline int field_count(FieldReader* reader, size_t n_bytes) noexcept nogil:
    """Count bytes of a head line against the limits. Return WIRE_MORE or WIRE_ERROR."""
    cdef size_t head_room = HEAD_BYTES_MAX - reader.head_bytes
    cdef size_t line_room = HEAD_LINE_BYTES_MAX - reader.line_bytes
    if n_bytes > min(head_room, line_room):
        return field_fail(reader, REASON_HEAD_TOO_LONG if head_room <= line_room else REASON_LINE_TOO_LONG)
    reader.head_bytes += <uint32_t> n_bytes
    reader.line_bytes += <uint32_t> n_bytes
    return WIRE_MORE

cdef inline int field_feed(FieldReader* reader, const uint8_t* data, size_t n_bytes, size_t* n_used) noexcept nogil:
    """Eat lines up to and with the empty one. Return WIRE_MORE, WIRE_DONE (after the empty line) or WIRE_ERROR."""
    cdef const uint8_t* at = data
    cdef const uint8_t* end = data + n_bytes
    cdef const uint8_t* before
    cdef int code = WIRE_MORE
    while at < end and code == WIRE_MORE:
        before = at
        if reader.state == FIELD_NAME:
            at = _name_stop(reader, at, end)
        elif reader.state == FIELD_VALUE and reader.field == FIELD_OTHER:
            at = _plain_stop(at, end)
        if at == before:
            code = _feed_byte(reader, at[0])
            at += 1
        if field_count(reader, at - before) == WIRE_ERROR:
            code = WIRE_ERROR
        if reader.state == FIELD_LINE:
            reader.line_bytes = 0
    n_used[0] = at - data
    return code

cdef inline const uint8_t* _plain_stop(const uint8_t* at, const uint8_t* end) noexcept nogil:
    """The first control character other than a tab, or the end."""
    while at < end and (at[0] >= 0x20 and at[0] != 0x7F or at[0] == c"\t"):
        at += 1
    return at

cdef inline const uint8_t* _name_stop(FieldReader* reader, const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Take what is certainly of a name, letters and hyphens, and stop at the first other byte, or the end."""
    cdef uint8_t n_word = reader.n_word, lower
    while at < end and n_word < WORD_BYTES:
        lower = at[0] | 0x20
        if not c"a" <= lower <= c"z":
            if at[0] != c"-":
                break
            lower = c"-"
        reader.word[n_word] = lower
        n_word += 1
        at += 1
    reader.n_word = n_word
    return at

cdef inline int _feed_byte(FieldReader* reader, uint8_t byte) noexcept nogil:
    if reader.state == FIELD_VALUE:
        return _in_value(reader, byte)
    if reader.state == FIELD_NAME:
        return _in_name(reader, byte)
    if reader.state == FIELD_LINE:
        return _line_begins(reader, byte)
    if reader.state == FIELD_BEFORE_VALUE:
        if byte == c" " or byte == c"\t":
            return WIRE_MORE
        reader.state = FIELD_VALUE
        return _in_value(reader, byte)
    if byte != c"\n":
        return field_fail(reader, REASON_BARE_CR)
    if reader.state == FIELD_LAST_LINE_FEED:
        return WIRE_DONE
    reader.state = FIELD_LINE
    return WIRE_MORE

cdef inline int _line_begins(FieldReader* reader, uint8_t byte) noexcept nogil:
    if byte == c"\n":
        return WIRE_DONE
    if byte == c"\r":
        reader.state = FIELD_LAST_LINE_FEED
        return WIRE_MORE
    if byte == c" " or byte == c"\t":
        return field_fail(reader, REASON_FIELD_FOLDED)
    if byte == c":":
        return field_fail(reader, REASON_FIELD_NAME)
    reader.state = FIELD_NAME
    reader.n_word = 0
    return _in_name(reader, byte)

cdef inline int _in_name(FieldReader* reader, uint8_t byte) noexcept nogil:
    if byte == c":":
        reader.field = FIELD_OTHER if reader.is_trailer else field_kind(reader.word, reader.n_word)
        reader.state = FIELD_BEFORE_VALUE
        reader.n_word = reader.word_has_ended = 0
        reader.number = NO_LENGTH
        return WIRE_MORE
    if not is_token_byte(byte):
        return field_fail(reader, REASON_FIELD_NAME)
    _word_byte(reader, byte)
    return WIRE_MORE

cdef inline bint is_token_byte(uint8_t byte) noexcept nogil:
    """RFC 9110 section 5.6.2."""
    if byte <= c" " or byte >= 0x7F:
        return False
    return not (byte == c'"' or byte == c"(" or byte == c")" or byte == c"," or byte == c"/" or c":" <= byte <= c"@"
                or c"[" <= byte <= c"]" or byte == c"{" or byte == c"}")

cdef inline void _word_byte(FieldReader* reader, uint8_t byte) noexcept nogil:
    if reader.n_word >= WORD_BYTES:
        reader.n_word = WORD_BYTES + 1
        return
    reader.word[reader.n_word] = byte + 32 if c"A" <= byte <= c"Z" else byte
    reader.n_word += 1

cdef inline bint word_is(const FieldReader* reader, const char* word, uint8_t n_bytes) noexcept nogil:
    return reader.n_word == n_bytes and memcmp(reader.word, word, n_bytes) == 0

cdef inline uint8_t field_kind(const uint8_t* name, uint8_t n_bytes) noexcept nogil:
    if n_bytes == 14 and memcmp(name, b"content-length", 14) == 0:
        return FIELD_CONTENT_LENGTH
    if n_bytes == 17 and memcmp(name, b"transfer-encoding", 17) == 0:
        return FIELD_TRANSFER_ENCODING
    if n_bytes == 10 and memcmp(name, b"connection", 10) == 0:
        return FIELD_CONNECTION
    if n_bytes == 12 and memcmp(name, b"content-type", 12) == 0:
        return FIELD_CONTENT_TYPE
    if n_bytes == 16 and memcmp(name, b"content-encoding", 16) == 0:
        return FIELD_CONTENT_ENCODING
    if n_bytes == 11 and memcmp(name, b"retry-after", 11) == 0:
        return FIELD_RETRY_AFTER
    return FIELD_OTHER

cdef inline int _in_value(FieldReader* reader, uint8_t byte) noexcept nogil:
    """A byte of a value: the line's end, or of one of the words that a comma sets apart."""
    if byte == c"\r" or byte == c"\n":
        reader.state = FIELD_LINE_FEED if byte == c"\r" else FIELD_LINE
        return _word_ends(reader, True)
    if byte < 0x20 and byte != c"\t" or byte == 0x7F:
        return field_fail(reader, REASON_FIELD_VALUE)
    if reader.field == FIELD_OTHER:
        return WIRE_MORE
    if byte == c"," and reader.field != FIELD_CONTENT_TYPE and reader.field != FIELD_RETRY_AFTER:
        return _word_ends(reader, False)
    if byte == c" " or byte == c"\t" or byte == c";" and reader.field == FIELD_CONTENT_TYPE:
        reader.word_has_ended = reader.n_word > 0
        return WIRE_MORE
    if reader.word_has_ended:
        return _after_word(reader)
    _word_byte(reader, byte)
    return _length_digit(reader, byte) if reader.field == FIELD_CONTENT_LENGTH else WIRE_MORE

cdef inline int _after_word(FieldReader* reader) noexcept nogil:
    """Something follows a word after blanks: a parameter of a type, or part of no word that is known."""
    if reader.field == FIELD_CONTENT_LENGTH:
        return field_fail(reader, REASON_CONTENT_LENGTH)
    if reader.field != FIELD_CONTENT_TYPE:
        reader.n_word = WORD_BYTES + 1
    return WIRE_MORE

cdef inline int _length_digit(FieldReader* reader, uint8_t byte) noexcept nogil:
    cdef int64_t number = max(reader.number, <int64_t> 0)
    if not c"0" <= byte <= c"9" or number > (LENGTH_MAX - (byte - c"0")) // 10:
        return field_fail(reader, REASON_CONTENT_LENGTH)
    reader.number = number * 10 + (byte - c"0")
    return WIRE_MORE

cdef inline int _word_ends(FieldReader* reader, bint is_last) noexcept nogil:
    """A comma or the line's end: take the word. Empty ones do not count (RFC 9110 section 5.6.1), but for a length."""
    cdef int code = WIRE_MORE
    if reader.field == FIELD_CONTENT_LENGTH:
        code = _take_length(reader)
    elif reader.field == FIELD_TRANSFER_ENCODING:
        reader.has_transfer_coding = 1
        if word_is(reader, b"chunked", 7):
            reader.n_chunked = min(reader.n_chunked + 1, 2)
        elif reader.n_word:
            reader.has_other_coding = 1
    elif reader.field == FIELD_CONTENT_ENCODING:
        if reader.n_word and not word_is(reader, b"identity", 8):
            reader.is_compressed = 1
    elif reader.field == FIELD_CONNECTION:
        reader.says_close |= word_is(reader, b"close", 5)
        reader.says_keep_alive |= word_is(reader, b"keep-alive", 10)
    elif reader.field == FIELD_CONTENT_TYPE:
        reader.content_kind = content_kind(reader)
    elif reader.field == FIELD_RETRY_AFTER:
        reader.retry_after_s = retry_after_s(reader)
    reader.n_word = reader.word_has_ended = 0
    reader.number = NO_LENGTH
    return code

cdef inline int _take_length(FieldReader* reader) noexcept nogil:
    if reader.number == NO_LENGTH or reader.content_length not in (NO_LENGTH, reader.number):
        return field_fail(reader, REASON_CONTENT_LENGTH)
    reader.content_length = reader.number
    return WIRE_MORE

cdef inline uint8_t content_kind(const FieldReader* reader) noexcept nogil:
    cdef uint8_t n_bytes = reader.n_word
    if word_is(reader, b"text/event-stream", 17):
        return CONTENT_SSE
    if (word_is(reader, b"application/x-ndjson", 20) or word_is(reader, b"application/ndjson", 18)
            or word_is(reader, b"application/jsonl", 17) or word_is(reader, b"application/x-jsonl", 19)
            or word_is(reader, b"application/jsonlines", 21) or word_is(reader, b"application/x-jsonlines", 23)):
        return CONTENT_NDJSON
    if word_is(reader, b"application/json", 16):
        return CONTENT_JSON
    if 5 < n_bytes <= WORD_BYTES and memcmp(reader.word + n_bytes - 5, b"+json", 5) == 0:
        return CONTENT_JSON
    return CONTENT_HTML if word_is(reader, b"text/html", 9) else CONTENT_OTHER

cdef inline int32_t retry_after_s(const FieldReader* reader) noexcept nogil:
    """Whole seconds; a date, which would need a clock, counts as not given."""
    cdef int64_t seconds = 0
    cdef uint8_t i
    if reader.n_word == 0 or reader.n_word > WORD_BYTES:
        return NO_LENGTH
    for i in range(reader.n_word):
        if not c"0" <= reader.word[i] <= c"9":
            return NO_LENGTH
        seconds = min(seconds * 10 + (reader.word[i] - c"0"), <int64_t> RETRY_AFTER_MAX_S)
    return <int32_t> seconds
