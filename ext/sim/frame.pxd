"""A token's message, ready but for a few digits that are written into it: what a write costs beside the write itself.

Made from a template whose only fields are id, creation, token number and time, one frame for each width of the number.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from sim.message cimport CREATED_DIGITS, FIELD_CREATED, FIELD_ID, FIELD_TIME, FIELD_TOKEN, ID_DIGITS, Template
from sim.text cimport ISO_BYTES, Buffer, IsoClock, buffer_reserve, put_bytes, put_hex, write_decimal, write_iso

cdef enum:
    MAX_TOKEN_DIGITS = 7
    N_FRAMES = 8            # by width; 0 is not used

cdef struct Frame:
    Buffer chunk            # whole, with its size before it
    size_t id_at            # where the fields lie in it; 0: the template has none
    size_t created_at
    size_t token_at
    size_t time_at
    int token_digits


cdef inline size_t frame_field_bytes(uint8_t field, int token_digits) noexcept nogil:
    if field == FIELD_ID:
        return ID_DIGITS
    if field == FIELD_CREATED:
        return CREATED_DIGITS
    if field == FIELD_TIME:
        return ISO_BYTES
    return <size_t>token_digits if field == FIELD_TOKEN else 0


cdef inline void frame_note_field(Frame* frame, uint8_t field) noexcept nogil:
    if field == FIELD_ID:
        frame.id_at = frame.chunk.n
    elif field == FIELD_CREATED:
        frame.created_at = frame.chunk.n
    elif field == FIELD_TOKEN:
        frame.token_at = frame.chunk.n
    elif field == FIELD_TIME:
        frame.time_at = frame.chunk.n


cdef inline void frame_build(Frame* frame, const Template* template, int token_digits) noexcept nogil:
    cdef size_t n_body = 0, n_field
    cdef int i
    frame.token_digits = token_digits
    for i in range(template.n_pieces):
        n_body += template.pieces[i].n + frame_field_bytes(template.pieces[i].field, token_digits)
    put_hex(&frame.chunk, n_body)
    put_bytes(&frame.chunk, b"\r\n", 2)
    for i in range(template.n_pieces):
        put_bytes(&frame.chunk, template.pieces[i].text, template.pieces[i].n)
        n_field = frame_field_bytes(template.pieces[i].field, token_digits)
        frame_note_field(frame, template.pieces[i].field)
        buffer_reserve(&frame.chunk, n_field)
        frame.chunk.n += n_field
    put_bytes(&frame.chunk, b"\r\n", 2)


cdef inline void frame_fill(
    Frame* frame, const uint8_t* id_digits, const uint8_t* created_digits, int64_t token, IsoClock* clock,
    int64_t unix_ns,
) noexcept nogil:
    cdef uint8_t* chunk = frame.chunk.at
    if frame.id_at:
        memcpy(chunk + frame.id_at, id_digits, ID_DIGITS)
    if frame.created_at:
        memcpy(chunk + frame.created_at, created_digits, CREATED_DIGITS)
    if frame.time_at:
        write_iso(chunk + frame.time_at, clock, unix_ns)
    write_decimal(chunk + frame.token_at, <uint64_t>token, frame.token_digits)
