"""The head of a request, line by line: what the simulator needs of it and no more. No socket, clock or malloc.

Source: RFC 9112 sections 2 to 6.
"""
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcmp, memcpy

cdef enum:
    LINE_BYTES = 1024       # a longer line is cut here: none that matters is so long
    HEAD_BYTES = 65536      # a longer head is refused
    PATH_BYTES = 96
    REQUEST_ID_BYTES = 128
    FAULT_NAME_BYTES = 24

cdef enum Method:
    METHOD_GET = 0
    METHOD_HEAD
    METHOD_POST
    METHOD_OTHER

cdef struct Head:
    int64_t body_bytes      # Content-Length; 0 if there is none
    int n_bytes             # of the head so far
    int n_path
    int n_request_id
    int n_fault
    uint8_t method
    uint8_t is_chunked
    uint8_t keep_alive
    uint8_t wants_continue
    uint8_t broken
    uint8_t has_request_line
    uint8_t[96] path        # without the query
    uint8_t[128] request_id # X-Request-Id, fit to stand in JSON
    uint8_t[24] fault       # X-Simulate


cdef inline void head_begin(Head* head) noexcept nogil:
    head.body_bytes = 0
    head.n_bytes = head.n_path = head.n_request_id = head.n_fault = 0
    head.method = METHOD_OTHER
    head.is_chunked = head.wants_continue = head.broken = head.has_request_line = 0
    head.keep_alive = 1


cdef inline uint8_t lower(uint8_t byte) noexcept nogil:
    return byte + 32 if 65 <= byte <= 90 else byte


cdef inline bint same_word(const uint8_t* text, size_t n, const char* word, size_t n_word) noexcept nogil:
    """Equal, letters' case aside; `word` is in lower case."""
    cdef size_t i = 0
    if n != n_word:
        return False
    while i < n:
        if lower(text[i]) != <uint8_t>word[i]:
            return False
        i += 1
    return True


cdef inline bint has_word(const uint8_t* text, size_t n, const char* word, size_t n_word) noexcept nogil:
    """True if one of the comma-separated words is `word`."""
    cdef size_t begin = 0, end
    while begin < n:
        while begin < n and (text[begin] == c' ' or text[begin] == c',' or text[begin] == c'\t'):
            begin += 1
        end = begin
        while end < n and text[end] != c',' and text[end] != c' ' and text[end] != c'\t':
            end += 1
        if same_word(text + begin, end - begin, word, n_word):
            return True
        begin = end
    return False


cdef inline void head_request_line(Head* head, const uint8_t* line, size_t n) noexcept nogil:
    cdef size_t begin = 0, end
    while begin < n and line[begin] != c' ':
        begin += 1
    if begin == 3 and memcmp(line, b"GET", 3) == 0:
        head.method = METHOD_GET
    elif begin == 4 and memcmp(line, b"POST", 4) == 0:
        head.method = METHOD_POST
    elif begin == 4 and memcmp(line, b"HEAD", 4) == 0:
        head.method = METHOD_HEAD
    begin += 1
    end = begin
    while end < n and line[end] != c' ' and line[end] != c'?':
        end += 1
    head.has_request_line = 1
    if n < 14 or memcmp(line + n - 8, b"HTTP/1.", 7) != 0 or end == begin or end - begin > PATH_BYTES:
        head.broken = 1
        return
    head.keep_alive = line[n - 1] != c'0'
    head.n_path = <int>(end - begin)
    memcpy(head.path, line + begin, end - begin)


cdef inline void head_length(Head* head, const uint8_t* value, size_t n) noexcept nogil:
    cdef size_t i = 0
    head.body_bytes = 0
    while i < n and 48 <= value[i] <= 57 and i < 15:
        head.body_bytes = 10 * head.body_bytes + value[i] - 48
        i += 1
    if i == 0 or i != n:
        head.broken = 1


cdef inline void head_keep_id(Head* head, const uint8_t* value, size_t n) noexcept nogil:
    cdef size_t i
    head.n_request_id = <int>(n if n < REQUEST_ID_BYTES else REQUEST_ID_BYTES)
    for i in range(<size_t>head.n_request_id):
        head.request_id[i] = value[i]
        if value[i] < 32 or value[i] > 126 or value[i] == c'"' or value[i] == c'\\':
            head.request_id[i] = c'?'


cdef inline void head_field(
    Head* head, const uint8_t* name, size_t n_name, const uint8_t* value, size_t n,
) noexcept nogil:
    if n_name == 14 and same_word(name, n_name, b"content-length", 14):
        head_length(head, value, n)
    elif n_name == 12 and same_word(name, n_name, b"x-request-id", 12):
        head_keep_id(head, value, n)
    elif n_name == 10 and same_word(name, n_name, b"connection", 10):
        if has_word(value, n, b"close", 5):
            head.keep_alive = 0
        elif has_word(value, n, b"keep-alive", 10):
            head.keep_alive = 1
    elif n_name == 10 and same_word(name, n_name, b"x-simulate", 10):
        head.n_fault = <int>(n if n < FAULT_NAME_BYTES else FAULT_NAME_BYTES)
        memcpy(head.fault, value, head.n_fault)
    elif n_name == 17 and same_word(name, n_name, b"transfer-encoding", 17):
        head.is_chunked = has_word(value, n, b"chunked", 7)
    elif n_name == 6 and same_word(name, n_name, b"expect", 6):
        head.wants_continue = has_word(value, n, b"100-continue", 12)


cdef inline bint head_line(Head* head, const uint8_t* line, size_t n) noexcept nogil:
    """Eat one line, its end left off. True if the head is whole."""
    cdef size_t colon = 0, begin
    if n == 0:
        return head.has_request_line
    if not head.has_request_line:
        head_request_line(head, line, n)
        return False
    while colon < n and line[colon] != c':':
        colon += 1
    if colon == n:
        head.broken = 1
        return False
    begin = colon + 1
    while begin < n and (line[begin] == c' ' or line[begin] == c'\t'):
        begin += 1
    while n > begin and (line[n - 1] == c' ' or line[n - 1] == c'\t'):
        n -= 1
    head_field(head, line, colon, line + begin, n - begin)
    return False
