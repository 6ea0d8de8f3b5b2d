"""One request from its planned instant to its record."""
from libc.errno cimport EAGAIN
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memcpy, memmove, memset, strerror, strlen
from core.arena cimport arena_gaps, instants_clear
from core.block cimport BLOCK_GAPS, Block, blocks_room
from core.connection cimport connection_close, connection_open, connection_watch
from core.deadlines cimport deadline_forget, deadline_set
from core.dues cimport Due, dues_are_over, dues_drop, dues_peek
from core.keys cimport FATE_APPLIED, FATE_REFUSED, FATE_UNKNOWN, Draw, keys_read, keys_settle, keys_write
from core.pauses cimport pauses_put
from core.payload cimport CHECK_DELETE, CHECK_IDS, CHECK_READ, CHECK_WRITE, NO_KEY, Payload
from core.sending cimport connection_send, sending_begin
from core.record cimport *
from core.state cimport *
from core.clock cimport run_now_ns
from linux.atomics cimport atomic_load, atomic_swap
from linux.epoll cimport EPOLLIN, EPOLLOUT
from wire.answer cimport FRAMING_OPAQUE, answer_reset
from wire.http1 cimport http1_reset
from wire.pgwire cimport pg_reset

cdef enum:
    FIRST_BACKOFF_NS = 10000000
    LAST_BACKOFF_NS = 1000000000
    STARVED_NS = 1000000     # the plan's draws are not there yet: look again after so long

cdef inline int64_t window_end_ns(const Loop* loop) noexcept nogil:
    """The first instant after the window; UNKNOWN where it has not begun or ends by count."""
    cdef int64_t from_ns = atomic_load(&loop.window.from_ns)
    if loop.ended_at_ns != UNKNOWN:
        return loop.ended_at_ns
    if loop.settings.duration_ns == UNKNOWN or from_ns == UNKNOWN:
        return UNKNOWN
    return from_ns + loop.settings.duration_ns

cdef inline bint is_after_window(const Loop* loop, int64_t planned_ns) noexcept nogil:
    cdef int64_t end_ns = window_end_ns(loop)
    return end_ns != UNKNOWN and planned_ns >= end_ns

cdef inline Due* next_due(Loop* loop) noexcept nogil:
    """The next draw, or NULL: not there yet, or no more is wanted (dues_have_ended tells)."""
    return NULL if _is_measured_out(loop) else dues_peek(&loop.dues)

cdef inline bint dues_have_ended(Loop* loop) noexcept nogil:
    return _is_measured_out(loop) or dues_are_over(&loop.dues)

cdef inline bint _is_measured_out(const Loop* loop) noexcept nogil:
    return loop.settings.n_measured != UNKNOWN and loop.counters.n_measured >= loop.settings.n_measured

cdef inline uint8_t _phase(Loop* loop, const Record* record) noexcept nogil:
    """By the index or by the planned instant, as the warm-up is given. The first request of the window begins it."""
    if loop.settings.warmup_requests == UNKNOWN:
        return PHASE_WARMUP if record.planned_at_ns < loop.settings.warmup_ns else PHASE_MEASURE
    if record.index // loop.settings.n_jobs < loop.settings.warmup_requests:
        return PHASE_WARMUP
    atomic_swap(&loop.window.from_ns, UNKNOWN, record.planned_at_ns)
    return PHASE_MEASURE

cdef inline void _draw_begin(Draw* draw, const Due* due, const Payload* payload) noexcept nogil:
    memcpy(draw.values, due.values, sizeof(draw.values))
    draw.key = due.values[0] if payload.key == NO_KEY else payload.key
    draw.version = 0
    draw.floor = 0

cdef inline void record_begin(Loop* loop, Record* record, Draw* draw, const Due* due, int64_t planned_ns) noexcept nogil:
    """Take the draw, and fill in what is known before anything is sent."""
    cdef Settings* settings = &loop.settings
    cdef const Payload* payload = &loop.pool.payloads[due.payload]
    memset(record, 0, sizeof(Record))
    record.index = (loop.n_due * settings.n_threads + settings.thread) * settings.n_jobs + settings.job
    loop.n_due += 1
    record.planned_at_ns = planned_ns
    record.sent_at_ns = NEVER
    record.first_byte_at_ns = NEVER
    record.first_token_at_ns = NEVER
    record.last_token_at_ns = NEVER
    record.done_at_ns = NEVER
    record.server_total_ns = NEVER
    record.server_load_ns = NEVER
    record.server_prompt_eval_ns = NEVER
    record.server_eval_ns = NEVER
    record.prompt_tokens = NEVER
    record.output_tokens = NEVER
    record.connection = NOBODY
    record.n_items = NEVER
    record.n_hits = NEVER
    record.payload = due.payload
    record.operation = <uint8_t>(payload.operation + settings.first_operation)
    record.request_bytes = payload.raw_bytes + payload.body_bytes
    record.phase = _phase(loop, record)
    _draw_begin(draw, due, payload)
    loop.counters.n_measured += record.phase == PHASE_MEASURE
    dues_drop(&loop.dues)

cdef inline void _keep(Loop* loop, Record* record, Instants* instants) noexcept nogil:
    """Put the record into the block at hand, its gaps beside it."""
    cdef int64_t n_gaps = min(max(instants.n_kept - 1, 0), BLOCK_GAPS)
    cdef Block* block = blocks_room(&loop.blocks, n_gaps, loop.now_ns)
    if block == NULL:
        arena_gaps(&loop.arena, instants, NULL, 0)
        return
    record.n_gaps = arena_gaps(&loop.arena, instants, &block.gaps_ns[block.n_gaps], n_gaps)
    block.n_gaps += record.n_gaps
    memcpy(&block.records[block.n_records], record, sizeof(Record))
    block.n_records += 1

cdef inline void _count(Loop* loop, const Record* record) noexcept nogil:
    cdef Counters* counters = &loop.counters
    counters.n_finished += 1
    if record.outcome == OUTCOME_OK:
        counters.n_succeeded += 1
    elif record.outcome != OUTCOME_CANCELLED:
        counters.n_failed += 1
    if record.stamp == STAMP_KERNEL:
        counters.n_kernel_stamps += 1
    if record.phase == PHASE_MEASURE and record.done_at_ns > counters.last_done_ns:
        counters.last_done_ns = record.done_at_ns

cdef inline void record_say(Record* record, const char* why) noexcept nogil:
    """Why it failed, unless the server has said so already. The text is NUL-padded and need not end with one."""
    if record.error[0] == 0:
        memcpy(record.error, why, min(strlen(why), <size_t>ERROR_BYTES))

cdef inline void record_unsent(Loop* loop, const Due* due, uint8_t outcome, const char* why) noexcept nogil:
    """A request that found no connection in its time."""
    cdef Record record
    cdef Draw draw
    cdef Instants nothing
    record_begin(loop, &record, &draw, due, due.when_ns)
    loop.counters.n_planned += 1
    record.outcome = outcome
    record_say(&record, why)
    instants_clear(&nothing)
    _keep(loop, &record, &nothing)
    _count(loop, &record)

cdef inline void _put_free(Loop* loop, Connection* connection) noexcept nogil:
    """Open connections are taken first, so that one that cannot be opened fails no request that another would carry."""
    cdef int32_t place = loop.n_free
    if connection.state == CLOSED:
        memmove(loop.free + 1, loop.free, loop.n_free * sizeof(int32_t))
        place = 0
    loop.free[place] = <int32_t>(connection - loop.connections)
    loop.n_free += 1

cdef inline void slot_free(Loop* loop, Connection* connection, int64_t freed_at_ns) noexcept nogil:
    """The connection carries nothing any more: plan its next request (closed loop), or let arrivals have it (open loop)."""
    cdef Due* due
    cdef int64_t planned_ns
    connection.freed_at_ns = freed_at_ns
    if loop.settings.open_loop:
        _put_free(loop, connection)
        return
    due = next_due(loop)
    if due == NULL and not dues_have_ended(loop):
        pauses_put(&loop.pauses, loop.now_ns + STARVED_NS, <int32_t>(connection - loop.connections))
        return
    planned_ns = freed_at_ns + (0 if due == NULL else due.when_ns)
    if due == NULL or is_after_window(loop, planned_ns):
        loop.n_slots -= 1
        return
    record_begin(loop, &connection.record, &connection.draw, due, planned_ns)
    if planned_ns > loop.now_ns and planned_ns > run_now_ns(&loop.clock):
        connection.has_due = True
        pauses_put(&loop.pauses, planned_ns, <int32_t>(connection - loop.connections))
    else:
        exchange_begin(loop, connection)

cdef inline void pause_over(Loop* loop, Connection* connection) noexcept nogil:
    """Closed loop: the slot's pause has ended."""
    if not connection.has_due:
        slot_free(loop, connection, connection.freed_at_ns)
        return
    connection.has_due = False
    if is_after_window(loop, connection.record.planned_at_ns):
        loop.n_slots -= 1
    else:
        exchange_begin(loop, connection)

cdef inline void arrival_begin(Loop* loop, const Due* due) noexcept nogil:
    """Open loop: the request that is due takes a free connection. The caller knows that there is one."""
    cdef Connection* connection
    loop.n_free -= 1
    connection = &loop.connections[loop.free[loop.n_free]]
    record_begin(loop, &connection.record, &connection.draw, due, due.when_ns)
    exchange_begin(loop, connection)

cdef inline void _join(Loop* loop, Connection* connection, Record* record, Draw* draw) noexcept nogil:
    """A request comes under way on the connection."""
    cdef uint8_t check = loop.pool.payloads[record.payload].check
    record.connection = <int32_t>(connection - loop.connections) * <int32_t>loop.settings.n_threads + <int32_t>loop.settings.thread
    loop.counters.n_planned += 1
    loop.counters.n_in_flight += 1
    if check == CHECK_READ:
        keys_read(&loop.keys, draw)
    elif check == CHECK_WRITE or check == CHECK_DELETE:
        keys_write(&loop.keys, draw, check == CHECK_DELETE)

cdef inline void _fill_batch(Loop* loop, Connection* connection) noexcept nogil:
    """Closed loop: what comes next in the plan goes along. Open loop: what is due by now does."""
    cdef Queued* queued
    cdef Due* due
    connection.n_queued = 0
    connection.queue_at = 0
    while connection.n_queued < loop.settings.pipeline - 1:
        due = next_due(loop)
        if due == NULL or loop.settings.open_loop and (due.when_ns > loop.now_ns or is_after_window(loop, due.when_ns)):
            return
        queued = &connection.queue[connection.n_queued]
        record_begin(loop, &queued.record, &queued.draw, due, due.when_ns if loop.settings.open_loop else connection.record.planned_at_ns)
        _join(loop, connection, &queued.record, &queued.draw)
        connection.n_queued += 1

cdef inline void _answer_begin(Connection* connection) noexcept nogil:
    """The readers are to meet the first byte of the record's answer."""
    instants_clear(&connection.instants)
    connection.is_framed = False

cdef inline void exchange_begin(Loop* loop, Connection* connection) noexcept nogil:
    """Send the connection's planned request, over a new socket where the old one is closed."""
    _join(loop, connection, &connection.record, &connection.draw)
    if loop.settings.pipeline > 1:
        _fill_batch(loop, connection)
    _answer_begin(connection)
    if loop.settings.wire <= WIRE_HTTP:
        http1_reset(&connection.http, loop.pool.payloads[connection.record.payload].expects_no_body)
        answer_reset(&connection.answer, FRAMING_OPAQUE)
    elif loop.settings.wire == WIRE_POSTGRESQL:
        pg_reset(&connection.pg)
    sending_begin(loop, connection)
    connection.carries = True
    if connection.state == IDLE:
        exchange_send(loop, connection)
    else:
        _connect_first(loop, connection)

cdef inline void _connect_first(Loop* loop, Connection* connection) noexcept nogil:
    cdef int reason
    deadline_set(loop, connection, run_now_ns(&loop.clock))
    reason = connection_open(loop, connection)
    if reason != 0:
        exchange_fail(loop, connection, OUTCOME_CONNECT_FAILED, strerror(reason))

cdef inline bint exchange_resend(Loop* loop, Connection* connection) noexcept nogil:
    """A kept connection that ends before a byte of the answer was closed by the server while the request was on its way: no answer
    of the server's is lost, so send the request again, over a new connection (RFC 9112, 9.3.1 and 9.5). The planned instant stays.
    Return False where that is not what happened."""
    if connection.n_answers == 0 or connection.record.first_byte_at_ns != NEVER or loop.settings.wire > WIRE_HTTP:
        return False
    loop.counters.n_sent -= connection.record.sent_at_ns != NEVER
    connection.record.sent_at_ns = NEVER
    connection.n_sent_bytes = 0
    connection_close(connection, False)
    _connect_first(loop, connection)
    return True

cdef inline void _sent(Loop* loop, Connection* connection, int64_t now_ns) noexcept nogil:
    """The kernel has taken everything: the first step's, or the batch's."""
    cdef int32_t i
    if connection.record.sent_at_ns != NEVER:
        return
    connection.record.sent_at_ns = now_ns
    loop.counters.n_sent += 1
    for i in range(connection.queue_at, connection.n_queued):
        connection.queue[i].record.sent_at_ns = now_ns
        loop.counters.n_sent += 1
    deadline_set(loop, connection, now_ns)

cdef inline void exchange_send(Loop* loop, Connection* connection) noexcept nogil:
    """Send what is left of the request or of its step. `sent` is when the kernel was given the last of it: read before the call, within
    which, on one host, the request may reach the server and be answered."""
    cdef int64_t now_ns = run_now_ns(&loop.clock)
    cdef int reason = connection_send(loop, connection)
    if reason == 0:
        if connection.state == SENDING:
            connection_watch(loop, connection, EPOLLIN)
        connection.state = READING
        _sent(loop, connection, now_ns)
    elif reason != EAGAIN:
        if not exchange_resend(loop, connection):
            exchange_fail(loop, connection, OUTCOME_RESET, strerror(reason))
    elif connection.state != SENDING:
        connection.state = SENDING
        deadline_set(loop, connection, now_ns)
        connection_watch(loop, connection, EPOLLIN | EPOLLOUT)

cdef inline int _fate(const Record* record) noexcept nogil:
    """What has become of a write, as far as its answer tells."""
    if record.outcome == OUTCOME_OK:
        return FATE_APPLIED
    if record.sent_at_ns == NEVER and record.outcome == OUTCOME_CONNECT_FAILED:
        return FATE_REFUSED
    if record.http_status >= 400 and record.http_status < 500 or record.error_code[0] != 0 and record.http_status == 0:
        return FATE_REFUSED
    return FATE_UNKNOWN

cdef inline void _end_record(Loop* loop, Connection* connection) noexcept nogil:
    """The record at the head is complete: settle its key, keep it, count it."""
    cdef uint8_t check = loop.pool.payloads[connection.record.payload].check
    if check == CHECK_WRITE or check == CHECK_DELETE:
        keys_settle(&loop.keys, &connection.draw, _fate(&connection.record))
    if check == CHECK_IDS and connection.record.outcome != OUTCOME_OK:
        connection.record.n_items = connection.record.n_hits = NEVER  # what was counted until then says nothing
    loop.counters.n_in_flight -= 1
    _keep(loop, &connection.record, &connection.instants)
    _count(loop, &connection.record)

cdef inline bint _next_in_batch(Connection* connection) noexcept nogil:
    """The batch's next request becomes the one whose answer is read. False: there is none."""
    cdef Queued* queued
    if connection.queue_at >= connection.n_queued:
        return False
    queued = &connection.queue[connection.queue_at]
    memcpy(&connection.record, &queued.record, sizeof(Record))
    memcpy(&connection.draw, &queued.draw, sizeof(Draw))
    connection.queue_at += 1
    _answer_begin(connection)
    return True

cdef inline bint exchange_end(Loop* loop, Connection* connection, int64_t freed_at_ns) noexcept nogil:
    """The record is complete. True: the batch goes on. False: the slot is free, and may carry the next request already."""
    _end_record(loop, connection)
    if _next_in_batch(connection):
        return True
    deadline_forget(loop, connection)
    connection.carries = False
    connection.is_cleaning = False
    slot_free(loop, connection, freed_at_ns)
    return False

cdef inline void _fail_record(Connection* connection, uint8_t outcome, const char* why) noexcept nogil:
    """One whose answer had come whole keeps it."""
    if connection.is_cleaning:
        connection.is_cleaning = False
        return
    connection.record.outcome = outcome
    record_say(&connection.record, why)
    if outcome == OUTCOME_CONNECT_FAILED:
        connection.record.connection = NOBODY

cdef inline void exchange_fail(Loop* loop, Connection* connection, uint8_t outcome, const char* why) noexcept nogil:
    """End the request as failed, and with it the rest of its batch. The connection is of no more use."""
    cdef int64_t freed_at_ns = run_now_ns(&loop.clock)
    connection_close(connection, True)
    if outcome == OUTCOME_CONNECT_FAILED:
        connection.backoff_ns = min(max(2 * connection.backoff_ns, FIRST_BACKOFF_NS), LAST_BACKOFF_NS)
        freed_at_ns += connection.backoff_ns
    _fail_record(connection, outcome, why)
    while exchange_end(loop, connection, freed_at_ns):
        _fail_record(connection, outcome, why)
