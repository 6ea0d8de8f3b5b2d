"""From an encoded request to the kernel: slots filled, large bodies sent from where they lie, batches put together once."""
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcpy, memset
from core.payload cimport Payload, Slot
from core.record cimport Record
from core.keys cimport Draw
from core.slots cimport slot_write, slots_fill
from core.state cimport SMALL_BYTES, Connection, Loop
from linux.socket cimport MSG_NOSIGNAL, iovec, msghdr, send, sendmsg

cdef enum:
    MAX_PIECES = 36          # 2 a slot, the body, and what lies around it

ctypedef struct Pieces:
    iovec[36] at             # MAX_PIECES
    int n
    bint has_body

cdef inline void _piece(Pieces* pieces, const uint8_t* at, int64_t n_bytes) noexcept nogil:
    if n_bytes > 0:
        pieces.at[pieces.n].iov_base = <void*>at
        pieces.at[pieces.n].iov_len = n_bytes
        pieces.n += 1

cdef inline void _raw_piece(
    Pieces* pieces, const Loop* loop, const Connection* connection, const Payload* payload, int64_t begin, int64_t end
) noexcept nogil:
    """Raw bytes from begin to end, with the body where it belongs."""
    if not pieces.has_body and payload.body_at <= end:
        pieces.has_body = True
        _piece(pieces, connection.raw + begin, payload.body_at - begin)
        _piece(pieces, loop.pool.bodies + payload.body_from, payload.body_bytes)
        begin = payload.body_at
    _piece(pieces, connection.raw + begin, end - begin)

cdef inline void _lay_out(Pieces* pieces, Loop* loop, Connection* connection, const Payload* payload) noexcept nogil:
    """The whole request as pieces, the slots' texts among them."""
    cdef const Slot* slots = &loop.pool.slots[payload.slot_from]
    cdef uint8_t* text = loop.texts
    cdef int64_t at = 0
    cdef int i
    pieces.n = 0
    pieces.has_body = payload.body_bytes == 0
    for i in range(payload.n_slots):
        _raw_piece(pieces, loop, connection, payload, at, slots[i].at)
        slot_write(text, &slots[i], payload, loop, &connection.record, &connection.draw)
        _piece(pieces, text, slots[i].width)
        text += slots[i].width
        at = slots[i].at + slots[i].width
    _raw_piece(pieces, loop, connection, payload, at, payload.raw_bytes)

cdef inline void _end_at(Pieces* pieces, int64_t n_bytes) noexcept nogil:
    """Leave out what belongs to a later step."""
    cdef int i
    for i in range(pieces.n):
        if n_bytes <= <int64_t>pieces.at[i].iov_len:
            pieces.at[i].iov_len = n_bytes
            pieces.n = i + 1
            return
        n_bytes -= pieces.at[i].iov_len

cdef inline iovec* _skip(iovec* pieces, int* n, int64_t n_bytes) noexcept nogil:
    """Leave out what was sent already."""
    while n[0] > 1 and n_bytes >= <int64_t>pieces.iov_len:
        n_bytes -= pieces.iov_len
        pieces += 1
        n[0] -= 1
    pieces.iov_base = <uint8_t*>pieces.iov_base + n_bytes
    pieces.iov_len -= n_bytes
    return pieces

cdef inline ssize_t _send_pieces(Loop* loop, Connection* connection, const Payload* payload) noexcept nogil:
    cdef Pieces pieces
    cdef msghdr message
    _lay_out(&pieces, loop, connection, payload)
    _end_at(&pieces, connection.n_to_send)
    memset(&message, 0, sizeof(message))
    message.msg_iov = _skip(pieces.at, &pieces.n, connection.n_sent_bytes)
    message.msg_iovlen = pieces.n
    return sendmsg(connection.fd, &message, MSG_NOSIGNAL)

cdef inline ssize_t _send_small(Loop* loop, Connection* connection, const Payload* payload) noexcept nogil:
    """A small request is put together first: cheaper than telling the kernel of its pieces."""
    memcpy(loop.outgoing, connection.raw, payload.raw_bytes)
    slots_fill(loop.outgoing, loop, &connection.record, &connection.draw)
    return send(
        connection.fd, loop.outgoing + connection.n_sent_bytes, connection.n_to_send - connection.n_sent_bytes, MSG_NOSIGNAL
    )

cdef inline int64_t _put(uint8_t* out, const Loop* loop, const Record* record, const Draw* draw) noexcept nogil:
    cdef const Payload* payload = &loop.pool.payloads[record.payload]
    memcpy(out, <const uint8_t*>loop.pool.raw + payload.raw_from, payload.raw_bytes)
    slots_fill(out, loop, record, draw)
    return payload.raw_bytes

cdef inline void batch_put_together(Loop* loop, Connection* connection) noexcept nogil:
    """All requests of the batch, end to end: answers may come, and take requests away, before everything is sent."""
    cdef int64_t n_bytes = _put(connection.outbox, loop, &connection.record, &connection.draw)
    cdef int32_t i
    for i in range(connection.n_queued):
        n_bytes += _put(connection.outbox + n_bytes, loop, &connection.queue[i].record, &connection.queue[i].draw)
    connection.n_to_send = n_bytes

cdef inline int64_t _step_end(const Loop* loop, const Connection* connection, const Payload* payload) noexcept nogil:
    if connection.step < payload.n_steps:
        return loop.pool.steps[payload.step_from + connection.step]
    return payload.raw_bytes + payload.body_bytes

cdef inline void sending_begin(Loop* loop, Connection* connection) noexcept nogil:
    """The connection's request is about to be sent from its start."""
    cdef const Payload* payload = &loop.pool.payloads[connection.record.payload]
    connection.raw = <const uint8_t*>loop.pool.raw + payload.raw_from
    connection.n_sent_bytes = 0
    connection.step = 0
    if connection.outbox != NULL:
        batch_put_together(loop, connection)
    else:
        connection.n_to_send = _step_end(loop, connection, payload)

cdef inline bint sending_next_step(Loop* loop, Connection* connection) noexcept nogil:
    """The server has answered a step: go on to the next. False: that was the last."""
    cdef const Payload* payload = &loop.pool.payloads[connection.record.payload]
    if connection.step >= payload.n_steps:
        return False
    connection.step += 1
    connection.n_to_send = _step_end(loop, connection, payload)
    return True

cdef inline int connection_send(Loop* loop, Connection* connection) noexcept nogil:
    """Hand the kernel what is left of the step. Return 0 if it took all, EAGAIN if not yet, or errno."""
    cdef const Payload* payload = &loop.pool.payloads[connection.record.payload]
    cdef ssize_t n_taken
    if connection.outbox != NULL:
        n_taken = send(
            connection.fd, connection.outbox + connection.n_sent_bytes, connection.n_to_send - connection.n_sent_bytes, MSG_NOSIGNAL
        )
    elif payload.raw_bytes <= SMALL_BYTES and payload.body_bytes == 0:
        n_taken = _send_small(loop, connection, payload)
    else:
        n_taken = _send_pieces(loop, connection, payload)
    if n_taken < 0:
        return EAGAIN if errno == EINTR else errno
    connection.n_sent_bytes += n_taken
    return 0 if connection.n_sent_bytes == connection.n_to_send else EAGAIN
