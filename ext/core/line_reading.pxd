"""A line of requests.jsonl back to a record: the way back of core/json_lines.pxd. No Python object, no malloc.

Only lines as loadgen itself writes them are eaten: its keys in their order, no spaces, whole numbers of at most 18 digits,
texts with the escapes that it writes. Whatever else a line holds, it is left to loadgen/bundle/jsonl.py, which
reads any JSON; a test holds the two against each other.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t
from libc.string cimport memcmp, memcpy, strlen
from core.json_lines cimport Names, Text
from core.record cimport *

cdef enum:
    MOST_DIGITS = 18         # more may not fit an int64

cdef struct Cursor:
    const uint8_t* at
    const uint8_t* end
    bint is_odd              # something is not as loadgen writes it: nothing read after it counts

cdef inline bint _is_next(const Cursor* cursor, const char* text) noexcept nogil:
    cdef size_t n_bytes = strlen(text)
    return <size_t>(cursor.end - cursor.at) >= n_bytes and memcmp(cursor.at, text, n_bytes) == 0

cdef inline bint _skip_if(Cursor* cursor, const char* text) noexcept nogil:
    if not _is_next(cursor, text):
        return False
    cursor.at += strlen(text)
    return True

cdef inline void _skip(Cursor* cursor, const char* text) noexcept nogil:
    if not _skip_if(cursor, text):
        cursor.is_odd = True

cdef inline bint _is_digit(const Cursor* cursor) noexcept nogil:
    return cursor.at < cursor.end and <uint8_t>(cursor.at[0] - c"0") < 10

cdef inline int64_t _digits(Cursor* cursor) noexcept nogil:
    """A whole number >= 0 as JSON has it: no needless zero before it."""
    cdef const uint8_t* first = cursor.at
    cdef int64_t value = 0
    while _is_digit(cursor) and cursor.at - first <= MOST_DIGITS:
        value = value * 10 + (cursor.at[0] - c"0")
        cursor.at += 1
    if cursor.at == first or cursor.at - first > MOST_DIGITS or (first[0] == c"0" and cursor.at - first > 1):
        cursor.is_odd = True
    return value

cdef inline int64_t _number(Cursor* cursor) noexcept nogil:
    return -_digits(cursor) if _skip_if(cursor, "-") else _digits(cursor)

cdef inline int64_t _number_or(Cursor* cursor, int64_t absent) noexcept nogil:
    return absent if _skip_if(cursor, "null") else _number(cursor)

cdef inline int32_t _narrow(Cursor* cursor, int64_t value) noexcept nogil:
    if value < -2147483648 or value > 2147483647:
        cursor.is_odd = True
    return <int32_t>value

cdef inline int64_t _long(Cursor* cursor, const char* key) noexcept nogil:
    _skip(cursor, key)
    return _number(cursor)

cdef inline int64_t _instant(Cursor* cursor, const char* key) noexcept nogil:
    _skip(cursor, key)
    return _number_or(cursor, NEVER)

cdef inline int64_t _if_there(Cursor* cursor, const char* key) noexcept nogil:
    return _number(cursor) if _skip_if(cursor, key) else NEVER

cdef inline int _choice(Cursor* cursor, const Text* texts, int n) noexcept nogil:
    """Which of n JSON texts comes next."""
    cdef int code
    for code in range(n):
        if _skip_if(cursor, texts[code]):
            return code
    cursor.is_odd = True
    return 0

cdef inline void _seconds(Cursor* cursor, const char* key) noexcept nogil:
    """A decimal that the instants say already."""
    _skip(cursor, key)
    if _skip_if(cursor, "null"):
        return
    _digits(cursor)
    _skip(cursor, ".")
    if not _is_digit(cursor):
        cursor.is_odd = True
    while _is_digit(cursor):
        cursor.at += 1

cdef inline int _hexadecimal(uint8_t byte) noexcept nogil:
    if c"0" <= byte <= c"9":
        return byte - c"0"
    return byte - c"a" + 10 if c"a" <= byte <= c"f" else -1

cdef inline int _escaped(Cursor* cursor) noexcept nogil:
    """What stands behind a backslash, of the escapes that loadgen writes; -1: something else."""
    cdef int high, low
    if _skip_if(cursor, '"'):
        return c'"'
    if _skip_if(cursor, "\\"):
        return c"\\"
    if not _skip_if(cursor, "u00") or cursor.end - cursor.at < 2:
        return -1
    high, low = _hexadecimal(cursor.at[0]), _hexadecimal(cursor.at[1])
    cursor.at += 2
    return high * 16 + low if 0 <= high < 2 and low >= 0 and high + low > 0 else -1

cdef inline int _n_following(const uint8_t* at, const uint8_t* end) noexcept nogil:
    """How many bytes follow the first of a character in UTF-8; -1: it is none. Source: Unicode 15, table 3-7."""
    cdef uint8_t low = 0x80, high = 0xBF, lead = at[0]
    cdef int n = 0 if lead < 0x80 else 1 if lead < 0xE0 else 2 if lead < 0xF0 else 3, i
    if 0x80 <= lead < 0xC2 or lead > 0xF4 or end - at <= n:
        return -1
    if lead == 0xE0:
        low = 0xA0
    elif lead == 0xED:
        high = 0x9F
    elif lead == 0xF0:
        low = 0x90
    elif lead == 0xF4:
        high = 0x8F
    if n > 0 and not low <= at[1] <= high:
        return -1
    for i in range(2, n + 1):
        if not 0x80 <= at[i] <= 0xBF:
            return -1
    return n

cdef inline void _text(Cursor* cursor, char* out, int n_most) noexcept nogil:
    """A string without its quotes, into a field of zeros."""
    cdef int n = 0, byte, n_following
    _skip(cursor, '"')
    while cursor.at < cursor.end and not cursor.is_odd and cursor.at[0] != c'"':
        byte, n_following = cursor.at[0], _n_following(cursor.at, cursor.end)
        if n_following < 0 or byte < 0x20 or n + n_following >= n_most:
            cursor.is_odd = True
            return
        cursor.at += 1
        if byte == c"\\":
            byte = _escaped(cursor)
            cursor.is_odd = cursor.is_odd or byte < 0
        out[n] = <char>byte
        memcpy(out + n + 1, cursor.at, n_following)
        cursor.at += n_following
        n += 1 + n_following
    _skip(cursor, '"')

cdef inline void _identity(Cursor* cursor, Record* record, const Names* names, int n_operations) noexcept nogil:
    """The request id is not kept: the index says it."""
    cdef int i = n_operations
    _skip(cursor, '{"request_id":"')
    while cursor.at < cursor.end and 0x20 <= cursor.at[0] < 0x80 and cursor.at[0] != c'"' and cursor.at[0] != c"\\":
        cursor.at += 1
    record.index = _long(cursor, '","index":')
    _skip(cursor, ',"phase":')
    record.phase = _choice(cursor, names.phases, 3)
    _skip(cursor, ',"operation":')
    while i > 0:  # of two with the same name, records mean the later one
        i -= 1
        if _names_it(cursor, names.operations[i]):
            record.operation = i
            return
    cursor.is_odd = True

cdef inline bint _names_it(Cursor* cursor, const char* operation) noexcept nogil:
    """Whether it is this operation, to its last letter, and of no other service."""
    cdef Cursor ahead = cursor[0]
    if not (_skip_if(&ahead, operation) and _skip_if(&ahead, ',"planned_at_ns":')):
        return False
    cursor[0] = ahead
    return True

cdef inline bint _instants(Cursor* cursor, Record* record) noexcept nogil:
    """Returns whether the line has tokens."""
    cdef bint has_tokens
    record.planned_at_ns = _number(cursor)
    record.sent_at_ns = _instant(cursor, ',"sent_at_ns":')
    record.first_byte_at_ns = _instant(cursor, ',"first_byte_at_ns":')
    record.first_token_at_ns = record.last_token_at_ns = NEVER
    record.prompt_tokens = record.output_tokens = NEVER
    has_tokens = _is_next(cursor, ',"first_token_at_ns":')
    if has_tokens:
        record.first_token_at_ns = _instant(cursor, ',"first_token_at_ns":')
        record.last_token_at_ns = _instant(cursor, ',"last_token_at_ns":')
    record.done_at_ns = _instant(cursor, ',"done_at_ns":')
    return has_tokens

cdef inline void _ending(Cursor* cursor, Record* record, const Names* names) noexcept nogil:
    cdef int64_t status
    _skip(cursor, ',"stamp":')
    record.stamp = _choice(cursor, names.stamps, 2)
    record.read_lag_ns = _long(cursor, ',"read_lag_ns":')
    _skip(cursor, ',"outcome":')
    record.outcome = _choice(cursor, names.outcomes, 15)
    if not _skip_if(cursor, ',"success":true'):
        _skip(cursor, ',"success":false')
    _skip(cursor, ',"http_status":')
    status = _number_or(cursor, 0)
    if status < 0 or status > 65535:
        cursor.is_odd = True
    record.http_status = <uint16_t>status
    _skip(cursor, ',"error":')
    if not _skip_if(cursor, "null"):
        _text(cursor, record.error, ERROR_BYTES)
    if _skip_if(cursor, ',"error_code":'):
        _text(cursor, record.error_code, ERROR_CODE_BYTES)

cdef inline int32_t _gaps(Cursor* cursor, int64_t* gaps_ns) noexcept nogil:
    """Returns how many. There is room for one every two bytes of the line."""
    cdef int32_t n = 0
    _skip(cursor, ',"itl_ns":[')
    if _skip_if(cursor, "]"):
        return 0
    while not cursor.is_odd:
        gaps_ns[n] = _number(cursor)
        n += 1
        if not _skip_if(cursor, ","):
            _skip(cursor, "]")
            return n
    return n

cdef inline void _tokens(Cursor* cursor, Record* record, int64_t* gaps_ns, const Names* names) noexcept nogil:
    _skip(cursor, ',"finish_reason":')
    record.finish_reason = _choice(cursor, names.finish_reasons, 6)
    record.prompt_tokens = _narrow(cursor, _instant(cursor, ',"prompt_tokens":'))
    record.output_tokens = _narrow(cursor, _instant(cursor, ',"output_tokens":'))
    _skip(cursor, ',"token_source":')
    record.token_source = _choice(cursor, names.token_sources, 3)
    record.n_events = _narrow(cursor, _long(cursor, ',"n_events":'))
    record.n_shared_stamps = _narrow(cursor, _long(cursor, ',"n_shared_stamps":'))
    record.n_gaps = _gaps(cursor, gaps_ns)

cdef inline void _content(Cursor* cursor, Record* record) noexcept nogil:
    record.server_total_ns = _if_there(cursor, ',"server_total_ns":')
    record.server_load_ns = _if_there(cursor, ',"server_load_ns":')
    record.server_prompt_eval_ns = _if_there(cursor, ',"server_prompt_eval_ns":')
    record.server_eval_ns = _if_there(cursor, ',"server_eval_ns":')
    record.n_items = _narrow(cursor, _if_there(cursor, ',"n_items":'))
    record.n_hits = _narrow(cursor, _if_there(cursor, ',"n_hits":'))
    record.checked = _skip_if(cursor, ',"checked":true')
    record.request_bytes = _long(cursor, ',"request_bytes":')
    record.response_bytes = _long(cursor, ',"response_bytes":')
    record.connection = _narrow(cursor, _instant(cursor, ',"connection":'))
    record.payload = _narrow(cursor, _long(cursor, ',"payload":'))

cdef inline bint read_line(
    const uint8_t* line, int64_t n_bytes, Record* record, int64_t* gaps_ns, const Names* names, int n_operations
) noexcept nogil:
    """Read a line, with or without its LF, into a record of zeros and its gaps. False: it must be read another way.

    gaps_ns: room for n_bytes / 2. Nothing is said of what a line that is False has left in the record.
    """
    cdef Cursor cursor
    cdef bint has_tokens
    cursor.at, cursor.end, cursor.is_odd = line, line + n_bytes, False
    _identity(&cursor, record, names, n_operations)
    has_tokens = _instants(&cursor, record)
    _ending(&cursor, record, names)
    if has_tokens:
        _tokens(&cursor, record, gaps_ns, names)
    _content(&cursor, record)
    _seconds(&cursor, ',"latency_s":')
    if has_tokens:
        _seconds(&cursor, ',"ttft_s":')
    _skip(&cursor, "}")
    _skip_if(&cursor, "\n")
    return not cursor.is_odd and cursor.at == cursor.end
