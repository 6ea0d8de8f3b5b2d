"""A record as a line of requests.jsonl, key by key in the order of docs/bundle.md. No Python object is touched.

loadgen/bundle/jsonl.py writes the same lines in Python; a test compares the two byte by byte.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, strlen
from core.record cimport *
from core.payload cimport SLOT_BYTES

cdef extern from "<string.h>" nogil:
    size_t strnlen(const char* text, size_t n_most)

cdef enum:
    LINE_BYTES = 2048        # the longest line without its gaps: all keys, all numbers at full width, an error of escapes
    GAP_BYTES = 20           # the longest gap and its comma

ctypedef const char* Text

cdef struct Names:           # JSON texts by code, quotes included
    Text[16] outcomes
    Text[3] phases
    Text[2] stamps
    Text[6] finish_reasons
    Text[3] token_sources
    Text[256] operations     # and, where there are several, its service
    uint8_t[256] expects_tokens
    char[28] tag
    int n_tag_bytes

cdef inline uint8_t* _text(uint8_t* out, const char* text) noexcept nogil:
    cdef size_t n_bytes = strlen(text)
    memcpy(out, text, n_bytes)
    return out + n_bytes

cdef inline uint8_t* _digits(uint8_t* out, uint64_t value, int n_digits) noexcept nogil:
    """Zero-padded to the width."""
    cdef int i = n_digits
    while i > 0:
        i -= 1
        out[i] = <uint8_t>(c"0" + value % 10)
        value //= 10
    return out + n_digits

cdef inline int _n_digits(uint64_t value) noexcept nogil:
    cdef int n = 1
    while value >= 10000:
        value //= 10000
        n += 4
    if value >= 1000:
        return n + 3
    if value >= 100:
        return n + 2
    return n + 1 if value >= 10 else n

cdef inline uint8_t* _int(uint8_t* out, int64_t value) noexcept nogil:
    if value < 0:
        out[0] = c"-"
        return _digits(out + 1, <uint64_t>-value, _n_digits(<uint64_t>-value))
    return _digits(out, <uint64_t>value, _n_digits(<uint64_t>value))

cdef inline uint8_t* _int_or_null(uint8_t* out, int64_t value) noexcept nogil:
    return _text(out, "null") if value < 0 else _int(out, value)

cdef inline uint8_t* _instant(uint8_t* out, const char* key, int64_t at_ns) noexcept nogil:
    return _int_or_null(_text(out, key), at_ns)

cdef inline uint8_t* _seconds(uint8_t* out, int64_t from_ns, int64_t to_ns) noexcept nogil:
    """The shortest decimal of a difference in ns, written as Python writes a float: 0.25, 12.0; null where the end never came."""
    cdef int64_t length_ns = to_ns - from_ns
    cdef uint8_t* last
    if to_ns < 0:
        return _text(out, "null")
    out = _int(out, length_ns // 1000000000)
    out[0] = c"."
    last = _digits(out + 1, <uint64_t>(length_ns % 1000000000), 9) - 1
    while last[0] == c"0" and last > out + 1:
        last -= 1
    return last + 1

cdef inline int _whole_characters(const char* text, int n_most) noexcept nogil:
    """How many of the bytes are whole UTF-8 characters: all, unless the last one's bytes go on behind them."""
    cdef int n_bytes = <int>strnlen(text, n_most), lead = n_bytes - 1, n_follow
    while lead >= 0 and lead > n_bytes - 4 and (<uint8_t>text[lead] & 0xC0) == 0x80:
        lead -= 1
    if lead < 0 or <uint8_t>text[lead] < 0xC0:
        return n_bytes
    n_follow = 1 if <uint8_t>text[lead] < 0xE0 else 2 if <uint8_t>text[lead] < 0xF0 else 3
    return lead if lead + 1 + n_follow > n_bytes else n_bytes

cdef inline uint8_t* _escaped(uint8_t* out, const char* text, int n_most) noexcept nogil:
    """A JSON string of UTF-8 bytes; a character that the field's end has cut is left out."""
    cdef int i = 0
    cdef uint8_t byte
    n_most = _whole_characters(text, n_most)
    out[0] = c'"'
    out += 1
    while i < n_most:
        byte = <uint8_t>text[i]
        if byte == c'"' or byte == c"\\":
            out[0] = c"\\"
            out[1] = byte
            out += 2
        elif byte < 0x20:
            out = _digits(_text(out, "\\u"), 0, 2)
            out[0] = c"0" + (byte >> 4)
            out[1] = (c"0" if byte & 15 < 10 else c"a" - 10) + (byte & 15)
            out += 2
        else:
            out[0] = byte
            out += 1
        i += 1
    out[0] = c'"'
    return out + 1

cdef inline uint8_t* _identity(uint8_t* out, const Record* record, const Names* names) noexcept nogil:
    out = _text(out, '{"request_id":"')
    memcpy(out, names.tag, names.n_tag_bytes)
    out += names.n_tag_bytes
    out[0] = c"-"
    out = _digits(out + 1, <uint64_t>record.index, SLOT_BYTES - 1 - names.n_tag_bytes)
    out = _int(_text(out, '","index":'), record.index)
    out = _text(_text(out, ',"phase":'), names.phases[record.phase])
    return _text(_text(out, ',"operation":'), names.operations[record.operation])

cdef inline uint8_t* _instants(uint8_t* out, const Record* record, bint has_tokens) noexcept nogil:
    out = _instant(out, ',"planned_at_ns":', record.planned_at_ns)
    out = _instant(out, ',"sent_at_ns":', record.sent_at_ns)
    out = _instant(out, ',"first_byte_at_ns":', record.first_byte_at_ns)
    if has_tokens:
        out = _instant(out, ',"first_token_at_ns":', record.first_token_at_ns)
        out = _instant(out, ',"last_token_at_ns":', record.last_token_at_ns)
    return _instant(out, ',"done_at_ns":', record.done_at_ns)

cdef inline uint8_t* _ending(uint8_t* out, const Record* record, const Names* names) noexcept nogil:
    out = _text(_text(out, ',"stamp":'), names.stamps[record.stamp])
    out = _int(_text(out, ',"read_lag_ns":'), record.read_lag_ns)
    out = _text(_text(out, ',"outcome":'), names.outcomes[record.outcome])
    out = _text(out, ',"success":true' if record.outcome == OUTCOME_OK else ',"success":false')
    out = _text(out, ',"http_status":')
    out = _text(out, "null") if record.http_status == 0 else _int(out, record.http_status)
    out = _text(out, ',"error":')
    out = _text(out, "null") if record.error[0] == 0 else _escaped(out, record.error, ERROR_BYTES)
    if record.error_code[0] == 0:
        return out
    return _escaped(_text(out, ',"error_code":'), record.error_code, ERROR_CODE_BYTES)

cdef inline uint8_t* _tokens(
    uint8_t* out, const Record* record, const int64_t* gaps_ns, const Names* names
) noexcept nogil:
    cdef int32_t i
    out = _text(_text(out, ',"finish_reason":'), names.finish_reasons[record.finish_reason])
    out = _instant(out, ',"prompt_tokens":', record.prompt_tokens)
    out = _instant(out, ',"output_tokens":', record.output_tokens)
    out = _text(_text(out, ',"token_source":'), names.token_sources[record.token_source])
    out = _int(_text(out, ',"n_events":'), record.n_events)
    out = _int(_text(out, ',"n_shared_stamps":'), record.n_shared_stamps)
    out = _text(out, ',"itl_ns":[')
    for i in range(record.n_gaps):
        out = _int(out, gaps_ns[i])
        out[0] = c","
        out += 1
    out -= record.n_gaps > 0
    out[0] = c"]"
    return out + 1

cdef inline uint8_t* _known(uint8_t* out, const char* key, int64_t value) noexcept nogil:
    """Left out where there is none."""
    return out if value < 0 else _int(_text(out, key), value)

cdef inline uint8_t* _server(uint8_t* out, const Record* record) noexcept nogil:
    out = _known(out, ',"server_total_ns":', record.server_total_ns)
    out = _known(out, ',"server_load_ns":', record.server_load_ns)
    out = _known(out, ',"server_prompt_eval_ns":', record.server_prompt_eval_ns)
    return _known(out, ',"server_eval_ns":', record.server_eval_ns)

cdef inline uint8_t* _content(uint8_t* out, const Record* record) noexcept nogil:
    """What the answer held."""
    out = _known(out, ',"n_items":', record.n_items)
    out = _known(out, ',"n_hits":', record.n_hits)
    return _text(out, ',"checked":true') if record.checked else out

cdef inline uint8_t* json_line(
    uint8_t* out, const Record* record, const int64_t* gaps_ns, const Names* names
) noexcept nogil:
    """Write one line, its LF included, and return its end. The caller has LINE_BYTES + n_gaps * GAP_BYTES of room."""
    cdef bint has_tokens = (
        names.expects_tokens[record.operation] or record.n_events > 0 or record.prompt_tokens >= 0 or record.output_tokens >= 0
    )
    out = _instants(_identity(out, record, names), record, has_tokens)
    out = _ending(out, record, names)
    if has_tokens:
        out = _tokens(out, record, gaps_ns, names)
    out = _content(_server(out, record), record)
    out = _int(_text(out, ',"request_bytes":'), record.request_bytes)
    out = _int(_text(out, ',"response_bytes":'), record.response_bytes)
    out = _instant(out, ',"connection":', record.connection)
    out = _int(_text(out, ',"payload":'), record.payload)
    out = _seconds(_text(out, ',"latency_s":'), record.planned_at_ns, record.done_at_ns)
    if has_tokens:
        out = _seconds(_text(out, ',"ttft_s":'), record.planned_at_ns, record.first_token_at_ns)
    return _text(out, "}\n")
