"""Messages made from templates: fixed bytes with fields between them, cut up once at the start.

A template comes from Python as bytes in which NUL and a letter stand for a field (the Field enum has the letters).
"""
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport abort, malloc
from libc.string cimport memcpy, memmove

from sim.text cimport Buffer, IsoClock, buffer_reserve, put_bytes, put_decimal, put_hex, put_iso, put_text

cdef enum:
    MAX_PIECES = 16
    ID_DIGITS = 12
    CREATED_DIGITS = 10
    CHUNK_HEAD_ROOM = 20

cdef enum Field:
    FIELD_END = 0
    FIELD_ID = 73               # I
    FIELD_CREATED = 67          # C: Unix seconds
    FIELD_TOKEN = 78            # N: number of this token, from 1
    FIELD_TIME = 84             # T: ISO instant of this message
    FIELD_PROMPT_TOKENS = 80    # P
    FIELD_OUTPUT_TOKENS = 79    # O
    FIELD_ALL_TOKENS = 83       # S
    FIELD_REASON = 82           # R: stop or length
    FIELD_TEXT = 88             # X: the whole answer: " tok1 tok2 ..."
    FIELD_CONNECTION = 75       # K: "Connection: close" and its line end, if it will be closed
    FIELD_TOTAL_NS = 68         # D
    FIELD_PROMPT_NS = 69        # E
    FIELD_EVAL_NS = 71          # G
    FIELD_VECTORS = 86          # V: embeddings, comma-separated, as objects
    FIELD_BARE_VECTORS = 87     # W: embeddings, comma-separated, as arrays


cdef struct Piece:
    const uint8_t* text
    size_t n
    uint8_t field                   # follows the text

cdef struct Template:
    Piece[16] pieces
    int n_pieces
    int is_empty

# What the fields are filled with.
cdef struct Facts:
    int64_t token
    int64_t unix_ns
    int64_t prompt_tokens
    int64_t output_tokens
    int64_t total_ns
    int64_t prompt_ns
    int64_t eval_ns
    int64_t n_inputs
    const uint8_t* id_digits
    const uint8_t* created_digits
    IsoClock* clock
    int is_cut                      # the answer ended because of the limit that was asked
    int closes


cdef inline void template_compile(Template* template, const uint8_t* source, size_t n) noexcept nogil:
    """Copies what it needs of `source`."""
    cdef uint8_t* kept = <uint8_t*>malloc(n + 1)
    cdef size_t begin = 0, at = 0
    cdef Piece* piece
    if kept == NULL:
        abort()
    memcpy(kept, source, n)
    template.n_pieces = 0
    template.is_empty = n == 0
    while at <= n and template.n_pieces < MAX_PIECES:
        if at < n and kept[at] != 0:
            at += 1
            continue
        piece = &template.pieces[template.n_pieces]
        template.n_pieces += 1
        piece.text = kept + begin
        piece.n = at - begin
        piece.field = kept[at + 1] if at + 1 < n else FIELD_END
        at += 2
        begin = at


cdef inline void put_words(Buffer* into, int64_t n_tokens) noexcept nogil:
    cdef int64_t token
    for token in range(1, n_tokens + 1):
        put_bytes(into, b" tok", 4)
        put_decimal(into, token)


cdef inline void put_vectors(Buffer* into, int64_t n_inputs, bint bare) noexcept nogil:
    cdef int64_t i
    for i in range(n_inputs):
        if i > 0:
            put_bytes(into, b",", 1)
        if not bare:
            put_text(into, b'{"object":"embedding","index":')
            put_decimal(into, i)
            put_text(into, b',"embedding":')
        put_text(into, b"[0.25,-0.5,0.125,0.75,-0.25,0.5,-0.125,0.0625]")
        if not bare:
            put_bytes(into, b"}", 1)


cdef inline void put_answer_field(Buffer* into, uint8_t field, const Facts* facts) noexcept nogil:
    if field == FIELD_REASON:
        put_text(into, b"length" if facts.is_cut else b"stop")
    elif field == FIELD_TEXT:
        put_words(into, facts.output_tokens)
    elif field == FIELD_CONNECTION and facts.closes:
        put_text(into, b"Connection: close\r\n")
    elif field == FIELD_VECTORS or field == FIELD_BARE_VECTORS:
        put_vectors(into, facts.n_inputs, field == FIELD_BARE_VECTORS)
    elif field == FIELD_TOTAL_NS:
        put_decimal(into, facts.total_ns)
    elif field == FIELD_PROMPT_NS:
        put_decimal(into, facts.prompt_ns)
    elif field == FIELD_EVAL_NS:
        put_decimal(into, facts.eval_ns)


cdef inline void put_field(Buffer* into, uint8_t field, const Facts* facts) noexcept nogil:
    if field == FIELD_ID:
        put_bytes(into, facts.id_digits, ID_DIGITS)
    elif field == FIELD_CREATED:
        put_bytes(into, facts.created_digits, CREATED_DIGITS)
    elif field == FIELD_TOKEN:
        put_decimal(into, facts.token)
    elif field == FIELD_TIME:
        put_iso(into, facts.clock, facts.unix_ns)
    elif field == FIELD_PROMPT_TOKENS:
        put_decimal(into, facts.prompt_tokens)
    elif field == FIELD_OUTPUT_TOKENS:
        put_decimal(into, facts.output_tokens)
    elif field == FIELD_ALL_TOKENS:
        put_decimal(into, facts.prompt_tokens + facts.output_tokens)
    elif field != FIELD_END:
        put_answer_field(into, field, facts)


cdef inline void put_template(Buffer* into, const Template* template, const Facts* facts) noexcept nogil:
    cdef int i
    for i in range(template.n_pieces):
        put_bytes(into, template.pieces[i].text, template.pieces[i].n)
        put_field(into, template.pieces[i].field, facts)


cdef inline void put_chunk(Buffer* into, const Template* template, const Facts* facts) noexcept nogil:
    """The message as one chunk of a chunked body; nothing for an empty template.

    The size stands before what it measures: room is left for it, and the message is moved up to it afterwards.
    """
    cdef size_t begin = into.n, n_body
    if template.is_empty:
        return
    buffer_reserve(into, CHUNK_HEAD_ROOM)
    into.n += CHUNK_HEAD_ROOM
    put_template(into, template, facts)
    n_body = into.n - begin - CHUNK_HEAD_ROOM
    into.n = begin
    put_hex(into, n_body)
    put_bytes(into, b"\r\n", 2)
    memmove(into.at + into.n, into.at + begin + CHUNK_HEAD_ROOM, n_body)
    into.n += n_body
    put_bytes(into, b"\r\n", 2)
