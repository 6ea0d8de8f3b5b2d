"""A JSON object as it comes: its structure is checked and the facts that matter are kept. No socket, clock or malloc.

Bytes of 0x80 and above are taken inside strings as they stand: only where a text is shown does it matter whether it is
good UTF-8. Source: RFC 8259.
"""
from libc.stdint cimport uint8_t
from libc.string cimport memcpy

from wire.codes cimport (REASON_JSON, REASON_JSON_CUT, REASON_JSON_DEPTH, REASON_JSON_NUMBER, REASON_JSON_STRING,
                         REASON_JSON_TRAILING, REASON_NONE, WIRE_DONE, WIRE_ERROR, WIRE_EVENT, WIRE_MORE)
from wire.json_facts cimport (NODE_ROOT, NODE_SKIP, SINK_NONE, SINK_SHORT, JsonFacts, facts_container,
                              facts_document_ends, facts_first_member, facts_number, facts_reset, facts_reset_document,
                              facts_string_begins, facts_string_bytes, facts_true, facts_word, node_of_element,
                              node_of_key)
from wire.json_number cimport JsonNumber, number_feed, number_skip_digits, number_start, number_value
from wire.json_text cimport TextEscape, escape_feed, escape_start, text_stop

cdef enum:
    JSON_DEPTH = 64
    JSON_SHORT_BYTES = 24    # longer keys and words are none that are known
    IS_OBJECT = 0x80         # beside the node on the stack

cdef enum JsonState:
    JSON_VALUE               # a value must come
    JSON_FIRST_ELEMENT       # a value or ]
    JSON_FIRST_KEY           # a key or }
    JSON_NEXT_KEY
    JSON_COLON
    JSON_AFTER_VALUE         # a comma or the container's end
    JSON_KEY                 # inside a key
    JSON_STRING              # inside a string value
    JSON_ESCAPE_KEY          # after a backslash in a key
    JSON_ESCAPE_STRING
    JSON_NUMBER
    JSON_LITERAL
    JSON_COMPLETE
    JSON_FAILED

cdef struct JsonScan:
    JsonFacts facts          # of all documents since json_reset()
    JsonNumber number
    const char* literal      # what is left of true, false or null
    TextEscape escape
    uint8_t[64] stack        # of the open containers: node, and IS_OBJECT
    uint8_t[24] short_text   # the key or word that is being gathered
    uint8_t n_short          # JSON_SHORT_BYTES + 1: too long to be a known one
    uint8_t depth
    uint8_t state            # JsonState
    uint8_t node             # of the value that comes or is being read
    uint8_t sink             # JsonSink of the string that is being read
    uint8_t is_true          # the literal is true
    uint8_t error            # WireReason

cdef inline void json_reset(JsonScan* scan) noexcept nogil:
    """Forget everything."""
    facts_reset(&scan.facts)
    json_reset_document(scan)

cdef inline void json_reset_document(JsonScan* scan) noexcept nogil:
    """A new document begins. What earlier ones said stays known, but for has_content."""
    facts_reset_document(&scan.facts)
    scan.state = JSON_VALUE
    scan.depth = 0
    scan.n_short = 0
    scan.escape.high = 0
    scan.node = NODE_ROOT
    scan.error = REASON_NONE

cdef inline int json_feed(JsonScan* scan, const uint8_t* data, size_t n_bytes) noexcept nogil:
    """Eat all. Return WIRE_MORE, WIRE_DONE once the document is complete, or WIRE_ERROR (scan.error says why)."""
    cdef const uint8_t* at = data
    cdef const uint8_t* end = data + n_bytes
    while at < end:
        if scan.state <= JSON_AFTER_VALUE:
            at = _structure(scan, at, end)
        elif scan.state == JSON_KEY:
            at = _key(scan, at, end)
        elif scan.state == JSON_STRING:
            at = _string(scan, at, end)
        elif scan.state == JSON_NUMBER:
            at = _number(scan, at, end)
        elif scan.state == JSON_LITERAL:
            at = _literal(scan, at, end)
        elif scan.state <= JSON_ESCAPE_STRING:
            at = _escape(scan, at)
        elif scan.state == JSON_COMPLETE and _is_blank(at[0]):
            at += 1
        else:
            if scan.state == JSON_COMPLETE:
                _fail(scan, REASON_JSON_TRAILING)
            return WIRE_ERROR
    if scan.state == JSON_FAILED:
        return WIRE_ERROR
    return WIRE_DONE if scan.state == JSON_COMPLETE else WIRE_MORE

cdef inline int json_finish(JsonScan* scan) noexcept nogil:
    """No more bytes come for this document. Return WIRE_DONE if it is complete, else WIRE_ERROR."""
    if scan.state == JSON_COMPLETE:
        facts_document_ends(&scan.facts)
        return WIRE_DONE
    if scan.state != JSON_FAILED:
        _fail(scan, REASON_JSON_CUT)
    return WIRE_ERROR

cdef inline bint json_is_empty(const JsonScan* scan) noexcept nogil:
    """Whether nothing but white space has come."""
    return scan.state == JSON_VALUE and scan.depth == 0

cdef inline void _fail(JsonScan* scan, uint8_t reason) noexcept nogil:
    scan.state = JSON_FAILED
    scan.error = reason

cdef inline bint _is_blank(uint8_t byte) noexcept nogil:
    return byte == c" " or byte == c"\n" or byte == c"\r" or byte == c"\t"

cdef inline const uint8_t* _structure(JsonScan* scan, const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Eat what stands between keys and values, up to the first byte of the next one or the end."""
    cdef uint8_t byte
    while at < end and scan.state <= JSON_AFTER_VALUE:
        byte = at[0]
        at += 1
        if _is_blank(byte):
            continue
        if scan.state == JSON_AFTER_VALUE:
            if byte == c",":
                _next_member(scan)
            else:
                _close(scan, byte)
        elif scan.state == JSON_COLON:
            scan.state = JSON_VALUE
            if byte != c":":
                _fail(scan, REASON_JSON)
        elif scan.state == JSON_VALUE:
            _value_begins(scan, byte)
        elif scan.state == JSON_FIRST_ELEMENT:
            _first_element(scan, byte)
        elif byte == c'"':
            _key_begins(scan)
        elif scan.state == JSON_FIRST_KEY:
            _close(scan, byte)
        else:
            _fail(scan, REASON_JSON)
    return at

cdef inline void _key_begins(JsonScan* scan) noexcept nogil:
    if scan.state == JSON_FIRST_KEY:
        facts_first_member(&scan.facts, scan.stack[scan.depth - 1] & ~IS_OBJECT)
    scan.state = JSON_KEY
    scan.sink = SINK_SHORT
    scan.n_short = 0
    scan.escape.high = 0

cdef inline void _next_member(JsonScan* scan) noexcept nogil:
    cdef uint8_t container = scan.stack[scan.depth - 1]
    if container & IS_OBJECT:
        scan.state = JSON_NEXT_KEY
    else:
        scan.state = JSON_VALUE
        scan.node = node_of_element(container)

cdef inline void _first_element(JsonScan* scan, uint8_t byte) noexcept nogil:
    cdef uint8_t container = scan.stack[scan.depth - 1]
    if byte == c"]":
        _close(scan, byte)
        return
    facts_first_member(&scan.facts, container)
    scan.node = node_of_element(container)
    _value_begins(scan, byte)

cdef inline void _value_begins(JsonScan* scan, uint8_t byte) noexcept nogil:
    if scan.depth == 0 and byte != c"{":
        _fail(scan, REASON_JSON)
    elif byte == c'"':
        scan.state = JSON_STRING
        scan.sink = facts_string_begins(&scan.facts, scan.node)
        scan.n_short = 0
        scan.escape.high = 0
    elif byte == c"{" or byte == c"[":
        _open(scan, byte)
    elif byte == c"t" or byte == c"f" or byte == c"n":
        scan.literal = b"rue" if byte == c"t" else b"alse" if byte == c"f" else b"ull"
        scan.is_true = byte == c"t"
        scan.state = JSON_LITERAL
    elif byte == c"-" or c"0" <= byte <= c"9":
        scan.state = JSON_NUMBER
        number_start(&scan.number, byte)
    else:
        _fail(scan, REASON_JSON)

cdef inline void _open(JsonScan* scan, uint8_t byte) noexcept nogil:
    if scan.depth == JSON_DEPTH:
        _fail(scan, REASON_JSON_DEPTH)
        return
    facts_container(&scan.facts, scan.node)
    scan.stack[scan.depth] = scan.node | (IS_OBJECT if byte == c"{" else 0)
    scan.state = JSON_FIRST_KEY if byte == c"{" else JSON_FIRST_ELEMENT
    scan.depth += 1

cdef inline void _close(JsonScan* scan, uint8_t byte) noexcept nogil:
    if byte != (c"}" if scan.stack[scan.depth - 1] & IS_OBJECT else c"]"):
        _fail(scan, REASON_JSON)
        return
    scan.depth -= 1
    _value_ends(scan)

cdef inline void _value_ends(JsonScan* scan) noexcept nogil:
    scan.state = JSON_AFTER_VALUE if scan.depth else JSON_COMPLETE

cdef inline const uint8_t* _key(JsonScan* scan, const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Eat a key up to its end, an escape, or the end of what has come."""
    cdef const uint8_t* stop = text_stop(at, end)
    cdef uint8_t parent = scan.stack[scan.depth - 1] & ~IS_OBJECT
    if stop < end and stop[0] == c'"' and scan.n_short == 0 and scan.escape.high == 0:
        scan.node = node_of_key(parent, at, stop - at)
        return _after_key(scan, stop + 1, end)
    if stop > at:
        _plain(scan, at, stop - at)
    if stop == end:
        return end
    if stop[0] == c'"':
        _flush(scan)
        scan.node = NODE_SKIP if scan.n_short > JSON_SHORT_BYTES else node_of_key(parent, scan.short_text, scan.n_short)
        scan.state = JSON_COLON
    else:
        _escape_begins(scan, stop[0], JSON_ESCAPE_KEY)
    return stop + 1

cdef inline const uint8_t* _after_key(JsonScan* scan, const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Eat the colon and the value's first byte where they follow at once, as they most often do."""
    scan.state = JSON_COLON
    if end - at >= 3 and at[0] == c":":
        at += 2 if at[1] == c" " else 1
        scan.state = JSON_VALUE
        if at[0] > c" ":
            _value_begins(scan, at[0])
            at += 1
    return at

cdef inline const uint8_t* _after_value(JsonScan* scan, const uint8_t* at, const uint8_t* end) noexcept nogil:
    """A value has ended: eat the comma and the next key's quote where they follow at once."""
    _value_ends(scan)
    if end - at >= 2 and at[0] == c"," and scan.depth and scan.stack[scan.depth - 1] & IS_OBJECT:
        scan.state = JSON_NEXT_KEY
        at += 1
        if at[0] == c'"':
            _key_begins(scan)
            at += 1
    return at

cdef inline const uint8_t* _string(JsonScan* scan, const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Eat a string value up to its end, an escape, or the end of what has come."""
    cdef const uint8_t* stop = text_stop(at, end)
    if stop > at and scan.sink != SINK_NONE:
        _plain(scan, at, stop - at)
    if stop == end:
        return end
    if stop[0] == c'"':
        if scan.sink != SINK_NONE:
            _flush(scan)
        if scan.sink == SINK_SHORT:
            facts_word(&scan.facts, scan.node, scan.short_text, scan.n_short)
        return _after_value(scan, stop + 1, end)
    _escape_begins(scan, stop[0], JSON_ESCAPE_STRING)
    return stop + 1

cdef inline void _escape_begins(JsonScan* scan, uint8_t byte, uint8_t state) noexcept nogil:
    if byte != c"\\":
        _fail(scan, REASON_JSON_STRING)
        return
    escape_start(&scan.escape)
    scan.state = state

cdef inline const uint8_t* _escape(JsonScan* scan, const uint8_t* at) noexcept nogil:
    cdef int code = escape_feed(&scan.escape, at[0])
    if code == WIRE_ERROR:
        _fail(scan, REASON_JSON_STRING)
    elif code == WIRE_EVENT:
        scan.state = JSON_KEY if scan.state == JSON_ESCAPE_KEY else JSON_STRING
        if scan.escape.n_decoded:
            _sink(scan, scan.escape.decoded, scan.escape.n_decoded)
    return at + 1

cdef inline void _plain(JsonScan* scan, const uint8_t* at, size_t n_bytes) noexcept nogil:
    """Bytes that stand for themselves."""
    _flush(scan)
    _sink(scan, at, n_bytes)

cdef inline void _flush(JsonScan* scan) noexcept nogil:
    """A high surrogate was not followed by a low one."""
    if scan.escape.high:
        scan.escape.high = 0
        _sink(scan, <const uint8_t*> b"\xEF\xBF\xBD", 3)

cdef inline void _sink(JsonScan* scan, const uint8_t* at, size_t n_bytes) noexcept nogil:
    if scan.sink == SINK_SHORT:
        if scan.n_short + n_bytes > JSON_SHORT_BYTES:
            scan.n_short = JSON_SHORT_BYTES + 1
            return
        memcpy(scan.short_text + scan.n_short, at, n_bytes)
        scan.n_short += <uint8_t> n_bytes
    elif scan.sink != SINK_NONE:
        facts_string_bytes(&scan.facts, scan.node, scan.sink, at, n_bytes)

cdef inline const uint8_t* _number(JsonScan* scan, const uint8_t* at, const uint8_t* end) noexcept nogil:
    cdef int code = WIRE_MORE
    if scan.node == NODE_SKIP:
        at = number_skip_digits(&scan.number, at, end)
    while at < end:
        code = number_feed(&scan.number, at[0])
        if code != WIRE_MORE:
            break
        at += 1
    if code == WIRE_DONE:
        _number_ends(scan)
        return _after_value(scan, at, end)
    if code == WIRE_ERROR:
        _fail(scan, REASON_JSON_NUMBER)
    return at

cdef inline void _number_ends(JsonScan* scan) noexcept nogil:
    if scan.node != NODE_SKIP:
        facts_number(&scan.facts, scan.node, number_value(&scan.number))

cdef inline const uint8_t* _literal(JsonScan* scan, const uint8_t* at, const uint8_t* end) noexcept nogil:
    while at < end and scan.literal[0]:
        if at[0] != <uint8_t> scan.literal[0]:
            _fail(scan, REASON_JSON)
            return at
        scan.literal += 1
        at += 1
    if scan.literal[0] == 0:
        if scan.is_true:
            facts_true(&scan.facts, scan.node)
        return _after_value(scan, at, end)
    return at
