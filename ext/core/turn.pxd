"""The loop: begin what is due, give up what is late, wait, read what came.

Gathering. The kernel dates what arrives, so with many slow streams the loop need not run for each packet: its turns are kept
GATHER_NS apart, which saves system calls and changes no instant. It is on only while a stream gives so few events that two of
them hardly ever meet in one read (they would share a stamp), and it never sleeps past a planned send. Stores answer with one event, after
which something else is to be sent: there it is never on.
"""
from libc.errno cimport EINTR, errno
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport strerror
from posix.unistd cimport read
from core.block cimport NO_BLOCK, blocks_hand_over
from core.clock cimport RESAMPLE_NS, NS_PER_S, clock_resample, run_now_ns
from core.connection cimport (
    connection_close, connection_drop_given, connection_open, connection_opened, connection_take_given, connection_was_given,
)
from core.dues cimport Due
from core.exchange cimport (
    arrival_begin, dues_have_ended, exchange_fail, exchange_send, is_after_window, next_due, pause_over, record_unsent, slot_free,
    window_end_ns,
)
from core.pauses cimport pauses_take
from core.reading cimport connection_read, reading_fail
from core.record cimport *
from core.state cimport *
from linux.atomics cimport atomic_load
from linux.clock cimport nanosleep, timespec
from linux.epoll cimport EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, epoll_event, epoll_wait_ns
from wire.resp cimport resp_reset

cdef enum:
    EVENTS = 64              # a turn: so many reads at most before planned sends are looked at again
    GATHER_NS = 200000
    GATHER_EPOCH_NS = 20000000
    GATHER_STREAM_NS = 4000000  # one read a stream so often, or less: gathering is harmless
    FLUSH_NS = 250000000     # records wait no longer for their block to fill
    LONGEST_WAIT_NS = 100000000
    OPENING_AT_ONCE = 64     # below the accept backlog of any server in use
    OPENING_NS = 10000000000

cdef inline void _sleep(int64_t length_ns) noexcept nogil:
    cdef timespec length
    length.tv_sec = length_ns // NS_PER_S
    length.tv_nsec = length_ns % NS_PER_S
    nanosleep(&length, NULL)

# --- what is due ---------------------------------------------------------------------------------------------------------

cdef inline void _begin_arrivals(Loop* loop) noexcept nogil:
    """Open loop: send what is due while there are free connections; what waited too long is given up."""
    cdef Due* due = next_due(loop)
    while due != NULL and due.when_ns <= loop.now_ns and not is_after_window(loop, due.when_ns):
        if loop.now_ns - due.when_ns > loop.settings.timeout_ns:
            record_unsent(loop, due, OUTCOME_TIMEOUT, "no free connection within the time-out")
        elif loop.n_free > 0:
            arrival_begin(loop, due)
        else:
            return
        due = next_due(loop)

cdef inline void _end_pauses(Loop* loop) noexcept nogil:
    cdef int32_t connection
    while loop.pauses.n > 0 and loop.pauses.heap[0].until_ns <= loop.now_ns:
        connection = pauses_take(&loop.pauses).connection
        pause_over(loop, &loop.connections[connection])

cdef inline void _end_late(Loop* loop) noexcept nogil:
    cdef Connection* connection
    while loop.deadlines.first != NOBODY and loop.connections[loop.deadlines.first].deadline_ns <= loop.now_ns:
        connection = &loop.connections[loop.deadlines.first]
        if connection.state == CONNECTING or connection.state == ASKED:
            exchange_fail(loop, connection, OUTCOME_CONNECT_FAILED, "no connection within the time-out")
        else:
            reading_fail(loop, connection, OUTCOME_TIMEOUT, "no whole answer within the time-out")

# --- the end ---------------------------------------------------------------------------------------------------------------

cdef inline bint _is_over(Loop* loop) noexcept nogil:
    """Nothing is under way and nothing more will be sent."""
    cdef Due* due
    if loop.counters.n_in_flight > 0:
        return False
    if not loop.settings.open_loop:
        return loop.n_slots == 0
    due = next_due(loop)
    return dues_have_ended(loop) if due == NULL else is_after_window(loop, due.when_ns)

cdef inline void _retire_pauses(Loop* loop) noexcept nogil:
    """Closed loop, after the window: whoever still waits to send will not."""
    while loop.pauses.n > 0:
        pauses_take(&loop.pauses)
        loop.n_slots -= 1

cdef inline void _cancel_all(Loop* loop) noexcept nogil:
    """The run ends with requests under way: they are records too."""
    cdef int32_t i
    cdef Due* due
    for i in range(loop.settings.n_connections):
        if loop.connections[i].carries:
            reading_fail(loop, &loop.connections[i], OUTCOME_CANCELLED, "the run ended first")
    due = next_due(loop)
    while loop.settings.open_loop and due != NULL and due.when_ns <= loop.now_ns and not is_after_window(loop, due.when_ns):
        record_unsent(loop, due, OUTCOME_CANCELLED, "the run ended first")
        due = next_due(loop)

cdef inline void _end_window(Loop* loop) noexcept nogil:
    """Look whether the window, the drain or somebody's patience has ended."""
    cdef int64_t end_ns
    cdef bint is_stopped = loop.ended_at_ns == UNKNOWN and atomic_load(&loop.stop_asked)
    if is_stopped:
        end_ns = window_end_ns(loop)
        loop.ended_at_ns = loop.now_ns + 1 if end_ns == UNKNOWN else min(end_ns, loop.now_ns + 1)
    end_ns = window_end_ns(loop)
    if end_ns == UNKNOWN or loop.now_ns < end_ns and not is_stopped:
        return
    _retire_pauses(loop)
    if is_stopped or loop.now_ns >= end_ns + loop.settings.drain_ns:
        _cancel_all(loop)

# --- waiting ---------------------------------------------------------------------------------------------------------------

cdef inline int64_t _next_send_ns(Loop* loop) noexcept nogil:
    """The next planned instant at which something can be sent, or a bound on the wait."""
    cdef int64_t next_ns = loop.now_ns + LONGEST_WAIT_NS
    cdef Due* due
    if loop.pauses.n > 0:
        next_ns = min(next_ns, loop.pauses.heap[0].until_ns)
    if loop.settings.open_loop and loop.n_free > 0:
        due = next_due(loop)
        if due != NULL:
            next_ns = min(next_ns, due.when_ns)
        elif not dues_have_ended(loop):
            next_ns = min(next_ns, loop.now_ns + 1000000)
    return next_ns

cdef inline int64_t _wait_until_ns(Loop* loop) noexcept nogil:
    cdef int64_t until_ns = _next_send_ns(loop)
    cdef int64_t end_ns = window_end_ns(loop)
    if loop.deadlines.first != NOBODY:
        until_ns = min(until_ns, loop.connections[loop.deadlines.first].deadline_ns)
    if end_ns > loop.now_ns:
        until_ns = min(until_ns, end_ns)
    elif end_ns != UNKNOWN:
        until_ns = min(until_ns, max(end_ns + loop.settings.drain_ns, loop.now_ns))
    return until_ns

cdef inline void _judge_gathering(Loop* loop) noexcept nogil:
    cdef Gathering* gathering = &loop.gathering
    cdef int64_t length_ns = loop.now_ns - gathering.epoch_ns
    if length_ns < GATHER_EPOCH_NS:
        return
    gathering.is_on = loop.settings.wire <= WIRE_OLLAMA and gathering.n_reads > 0 and loop.counters.n_in_flight * length_ns >= gathering.n_reads * <int64_t>GATHER_STREAM_NS
    gathering.epoch_ns = loop.now_ns
    gathering.n_reads = 0

cdef inline void _gather(Loop* loop, int64_t turn_began_ns) noexcept nogil:
    """Keep turns GATHER_NS apart, unless something is to be sent before."""
    cdef int64_t now_ns, length_ns
    if not loop.gathering.is_on:
        return
    now_ns = run_now_ns(&loop.clock)
    length_ns = min(turn_began_ns + GATHER_NS, _next_send_ns(loop)) - now_ns
    if length_ns > 0:
        _sleep(length_ns)
        loop.counters.waited_ns += length_ns

cdef inline int _wait(Loop* loop, epoll_event* events) noexcept nogil:
    cdef timespec timeout
    cdef int64_t before_ns = run_now_ns(&loop.clock)
    cdef int64_t length_ns = max(_wait_until_ns(loop) - before_ns, 0)
    cdef int n_events
    timeout.tv_sec = length_ns // NS_PER_S
    timeout.tv_nsec = length_ns % NS_PER_S
    n_events = epoll_wait_ns(loop.epoll_fd, events, EVENTS, &timeout)
    loop.now_ns = run_now_ns(&loop.clock)
    loop.counters.waited_ns += loop.now_ns - before_ns
    return n_events

# --- what came -------------------------------------------------------------------------------------------------------------

cdef inline void _go_on(Loop* loop, Connection* connection, int reason, const char* why) noexcept nogil:
    """A socket is there (reason 0) or cannot be had: the request that waits for it is sent or has failed."""
    if not connection.carries:
        return
    if reason == 0:
        exchange_send(loop, connection)
    else:
        exchange_fail(loop, connection, OUTCOME_CONNECT_FAILED, why)

cdef inline void _opened(Loop* loop, Connection* connection) noexcept nogil:
    cdef int reason = connection_opened(loop, connection)
    _go_on(loop, connection, reason, strerror(reason))

cdef inline void _take_given(Loop* loop) noexcept nogil:
    """Sockets that another thread has opened, or could not open."""
    cdef Connection* connection
    cdef const char* why
    cdef int32_t i
    cdef int reason
    for i in range(loop.settings.n_connections):
        connection = &loop.connections[i]
        if connection_was_given(connection):
            reason = connection_take_given(loop, connection)
            why = strerror(reason)
            if reason == UNKNOWN:
                why = &connection.refusal[0]
            resp_reset(&connection.resp)
            _go_on(loop, connection, reason, why)

cdef inline void _dispatch(Loop* loop, const epoll_event* event) noexcept nogil:
    cdef Connection* connection = &loop.connections[<uint32_t>event.data.u64]
    cdef char[8] wakes
    if event.data.u64 == <uint64_t>UNKNOWN:
        read(loop.wake_fd, wakes, sizeof(wakes))
        _take_given(loop)
        return
    if connection.generation != <uint32_t>(event.data.u64 >> 32):
        return  # of a socket that was closed in this turn
    if connection.state == CONNECTING:
        _opened(loop, connection)
        return
    if connection.state == SENDING and event.events & EPOLLOUT:
        exchange_send(loop, connection)
    if connection.state != CLOSED and event.events & (EPOLLIN | EPOLLERR | EPOLLHUP):
        connection_read(loop, connection)

cdef inline void _housekeeping(Loop* loop) noexcept nogil:
    if loop.now_ns - loop.clock.sampled_at_ns >= RESAMPLE_NS:
        clock_resample(&loop.clock, loop.now_ns)
    if loop.blocks.current != NO_BLOCK and loop.now_ns - loop.blocks.blocks[loop.blocks.current].opened_at_ns >= FLUSH_NS:
        blocks_hand_over(&loop.blocks)
    _judge_gathering(loop)

cdef inline void loop_run(Loop* loop) noexcept nogil:
    """From the run's instant 0 to the last answer."""
    cdef epoll_event[64] events
    cdef int n_events, i
    loop.now_ns = run_now_ns(&loop.clock)
    loop.gathering.epoch_ns = loop.now_ns
    _take_given(loop)
    for i in range(loop.settings.n_connections):
        slot_free(loop, &loop.connections[i], 0)
    while True:
        if loop.settings.open_loop:
            _begin_arrivals(loop)
        _end_pauses(loop)
        _end_late(loop)
        _end_window(loop)
        _housekeeping(loop)
        if _is_over(loop):
            break
        _gather(loop, loop.now_ns)
        n_events = _wait(loop, events)
        for i in range(n_events):
            _dispatch(loop, &events[i])
    blocks_hand_over(&loop.blocks)

cdef inline void loop_open(Loop* loop) noexcept nogil:
    """Open the connections before the run, some at a time. One that cannot be opened is tried again when it is needed."""
    cdef epoll_event[64] events
    cdef int32_t next = 0, n_opening, i
    cdef int n_events
    if loop.settings.is_given_sockets:
        return
    while run_now_ns(&loop.clock) < OPENING_NS and not atomic_load(&loop.stop_asked):
        n_opening = 0
        for i in range(next):
            n_opening += loop.connections[i].state == CONNECTING
        while next < loop.settings.n_connections and n_opening < OPENING_AT_ONCE:
            n_opening += connection_open(loop, &loop.connections[next]) == 0
            next += 1
        if n_opening == 0:
            return
        n_events = _wait(loop, events)
        for i in range(n_events):
            _dispatch(loop, &events[i])

cdef inline void loop_close(Loop* loop) noexcept nogil:
    cdef int32_t i
    for i in range(loop.settings.n_connections):
        connection_drop_given(&loop.connections[i])
        connection_close(&loop.connections[i], False)
