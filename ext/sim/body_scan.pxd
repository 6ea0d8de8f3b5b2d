"""Finds in a request's JSON body the few fields that shape the answer, without keeping the body.

The body is eaten as it comes, cut anywhere. Fields count only where they belong (top level, or inside `options` and
`stream_options`): what a prompt says about them does not. A prompt's tokens are estimated as its words, parted by white
space; a prompt given as token ids counts each id.
"""
from libc.stdint cimport int64_t, uint64_t, uint8_t
from libc.string cimport memcmp

cdef enum:
    SCAN_TEXT_BYTES = 64
    SCAN_NOT_SAID = -1

cdef enum BodyKey:
    KEY_OTHER = 0
    KEY_STREAM
    KEY_MAX_TOKENS
    KEY_NUM_PREDICT
    KEY_INCLUDE_USAGE
    KEY_STREAM_OPTIONS
    KEY_OPTIONS
    KEY_MODEL
    KEY_PROMPT              # prompt, content, text, system: words are counted
    KEY_INPUT               # the same, and each string is one input

cdef struct BodyScan:
    int64_t max_tokens      # max_tokens, max_completion_tokens or options.num_predict; SCAN_NOT_SAID
    int64_t n_words         # of all prompt strings
    int64_t n_inputs        # strings under `input`
    uint64_t is_object      # bit d: the container at depth d is an object
    int depth
    int stream              # 1, 0 or SCAN_NOT_SAID
    int include_usage
    int model_bytes
    uint8_t outer_key       # of the top-level field we are in
    uint8_t key             # of the innermost field we are in
    uint8_t wants_key
    uint8_t in_string
    uint8_t in_scalar
    uint8_t escaped
    uint8_t in_word
    uint8_t began           # an object was opened
    uint8_t broken
    uint8_t n_text
    uint8_t[64] text        # the string or scalar being read, its first bytes
    uint8_t[64] model


cdef inline void body_scan_begin(BodyScan* scan) noexcept nogil:
    scan.max_tokens = SCAN_NOT_SAID
    scan.stream = SCAN_NOT_SAID
    scan.n_words = scan.n_inputs = 0
    scan.is_object = 0
    scan.depth = scan.include_usage = scan.model_bytes = 0
    scan.outer_key = scan.key = KEY_OTHER
    scan.wants_key = scan.in_string = scan.in_scalar = scan.escaped = scan.in_word = 0
    scan.began = scan.broken = scan.n_text = 0


cdef inline bint scan_text_is(const BodyScan* scan, const char* name, size_t n) noexcept nogil:
    return scan.n_text == n and memcmp(scan.text, name, n) == 0


cdef inline uint8_t scan_key(const BodyScan* scan) noexcept nogil:
    cdef int depth = scan.depth
    if depth == 1:
        if scan_text_is(scan, b"stream", 6):
            return KEY_STREAM
        if scan_text_is(scan, b"max_tokens", 10) or scan_text_is(scan, b"max_completion_tokens", 21):
            return KEY_MAX_TOKENS
        if scan_text_is(scan, b"stream_options", 14):
            return KEY_STREAM_OPTIONS
        if scan_text_is(scan, b"options", 7):
            return KEY_OPTIONS
        if scan_text_is(scan, b"model", 5):
            return KEY_MODEL
        if scan_text_is(scan, b"input", 5):
            return KEY_INPUT
        if scan_text_is(scan, b"prompt", 6) or scan_text_is(scan, b"system", 6):
            return KEY_PROMPT
    elif depth == 2 and scan.outer_key == KEY_OPTIONS and scan_text_is(scan, b"num_predict", 11):
        return KEY_NUM_PREDICT
    elif depth == 2 and scan.outer_key == KEY_STREAM_OPTIONS and scan_text_is(scan, b"include_usage", 13):
        return KEY_INCLUDE_USAGE
    elif scan_text_is(scan, b"content", 7) or scan_text_is(scan, b"text", 4):
        return KEY_PROMPT
    return KEY_OTHER


cdef inline int64_t scan_number(const BodyScan* scan) noexcept nogil:
    """The whole part of the scalar; SCAN_NOT_SAID for null, negative and what is no number."""
    cdef int64_t value = 0
    cdef int i = 0
    while i < scan.n_text and i < 12 and 48 <= scan.text[i] <= 57:
        value = 10 * value + scan.text[i] - 48
        i += 1
    return value if i > 0 else SCAN_NOT_SAID


cdef inline void scan_end_scalar(BodyScan* scan) noexcept nogil:
    cdef bint is_true = scan_text_is(scan, b"true", 4)
    scan.in_scalar = 0
    if scan.key == KEY_STREAM and scan.depth == 1 and (is_true or scan_text_is(scan, b"false", 5)):
        scan.stream = is_true
    elif scan.key == KEY_INCLUDE_USAGE and scan.depth == 2:
        scan.include_usage = is_true
    elif (scan.key == KEY_MAX_TOKENS and scan.depth == 1) or (scan.key == KEY_NUM_PREDICT and scan.depth == 2):
        if scan_number(scan) != SCAN_NOT_SAID:
            scan.max_tokens = scan_number(scan)
    elif (scan.key == KEY_PROMPT or scan.key == KEY_INPUT) and scan_number(scan) != SCAN_NOT_SAID:
        scan.n_words += 1


cdef inline void scan_end_string(BodyScan* scan) noexcept nogil:
    cdef int i
    scan.in_string = 0
    if scan.wants_key:
        scan.wants_key = 0
        scan.key = scan_key(scan)
        if scan.depth == 1:
            scan.outer_key = scan.key
    elif scan.key == KEY_MODEL and scan.depth == 1:
        scan.model_bytes = scan.n_text
        for i in range(scan.n_text):
            scan.model[i] = scan.text[i]
    elif scan.key == KEY_INPUT:
        scan.n_inputs += 1


cdef inline void scan_string_byte(BodyScan* scan, uint8_t byte) noexcept nogil:
    cdef bint is_space = byte <= 32
    if scan.escaped:
        scan.escaped = 0
        is_space = byte == c'n' or byte == c't' or byte == c'r'
    elif byte == c'\\':
        scan.escaped = 1
        return
    elif byte == c'"':
        scan_end_string(scan)
        return
    if scan.n_text < SCAN_TEXT_BYTES:
        scan.text[scan.n_text] = byte
        scan.n_text += 1
    if not scan.wants_key and scan.key >= KEY_PROMPT:
        if is_space:
            scan.in_word = 0
        elif not scan.in_word:
            scan.in_word = 1
            scan.n_words += 1


cdef inline void scan_open(BodyScan* scan, bint is_object) noexcept nogil:
    scan.depth += 1
    if scan.depth >= 64:
        scan.broken = 1
        scan.depth = 63
    if is_object:
        scan.is_object |= <uint64_t>1 << scan.depth
        scan.began = 1
    else:
        scan.is_object &= ~(<uint64_t>1 << scan.depth)
    scan.wants_key = is_object


cdef inline void scan_close(BodyScan* scan) noexcept nogil:
    scan.wants_key = 0
    scan.depth -= 1
    if scan.depth < 0:
        scan.depth = 0
        scan.broken = 1


cdef inline void scan_plain_byte(BodyScan* scan, uint8_t byte) noexcept nogil:
    if scan.in_scalar:
        if byte not in (c',', c'}', c']') and byte > 32:
            if scan.n_text < SCAN_TEXT_BYTES:
                scan.text[scan.n_text] = byte
                scan.n_text += 1
            return
        scan_end_scalar(scan)
    if byte <= 32 or byte == c':':
        return
    scan.n_text = 0
    if byte == c'"':
        scan.in_string = 1
        scan.in_word = 0
    elif byte == c'{' or byte == c'[':
        scan_open(scan, byte == c'{')
    elif byte == c'}' or byte == c']':
        scan_close(scan)
    elif byte == c',':
        scan.wants_key = (scan.is_object >> scan.depth) & 1
    else:
        scan.in_scalar = 1
        scan.text[0] = byte
        scan.n_text = 1


cdef inline void body_scan_feed(BodyScan* scan, const uint8_t* data, size_t n) noexcept nogil:
    cdef size_t i = 0
    while i < n:
        if scan.in_string:
            scan_string_byte(scan, data[i])
        else:
            scan_plain_byte(scan, data[i])
        i += 1


cdef inline bint body_scan_is_object(const BodyScan* scan) noexcept nogil:
    """True if what came is one whole JSON object, as far as brackets and quotes tell."""
    return scan.began and scan.depth == 0 and not scan.in_string and not scan.broken
