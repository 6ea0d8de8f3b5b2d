"""The native engine as Python sees it: a Loop a thread, and the Lines that turn its blocks into requests.jsonl.

All policy (when to stop, who runs in which thread) is loadgen/engine/native.py's; all work is in ext/core.
"""
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.buffer cimport PyBUF_READ, PyBUF_WRITE
from libc.errno cimport EINTR, errno
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from posix.mman cimport MAP_ANONYMOUS, MAP_FAILED, MAP_NORESERVE, MAP_PRIVATE, PROT_READ, PROT_WRITE, mmap, munmap
from posix.unistd cimport close, ftruncate, write

from core.arena cimport NO_PAGE, Page
from core.block cimport MAX_BLOCKS, Block, blocks_begin, blocks_give_back
from core.clock cimport clock_begin
from core.dues cimport DUE_PLACES, dues_put, dues_room
from core.json_lines cimport GAP_BYTES, LINE_BYTES, Names, Text, json_line
from core.pauses cimport Pause
from core.record cimport Record
from core.ring cimport ring_take
from core.state cimport CLOSED, NOBODY, READ_BYTES, SLOT_BYTES, UNKNOWN, Connection, Settings, Window
from core.state cimport Loop as LoopState
from core.turn cimport loop_close, loop_open, loop_run
from linux.atomics cimport atomic_load, atomic_store
from linux.clock cimport PR_SET_TIMERSLACK, prctl
from linux.epoll cimport (
    EFD_CLOEXEC, EFD_NONBLOCK, EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLLIN, epoll_create1, epoll_ctl, epoll_event, eventfd,
)
from linux.socket cimport AF_INET, AF_INET6, htons, inet_pton, sockaddr_in, sockaddr_in6

cdef enum:
    ARENA_PAGES = 524288     # 256 MiB of addresses: 32 million instants in flight
    LINES_BYTES = 4194304    # the longest line of all fits: BLOCK_GAPS * GAP_BYTES + LINE_BYTES


def record_layout() -> dict:
    """{field: (offset, size)} of the native record, in bytes; loadgen/records.py must say the same."""
    cdef Record* record = NULL
    return {
        "index": (<size_t>&record.index, sizeof(record.index)),
        "planned_at_ns": (<size_t>&record.planned_at_ns, sizeof(record.planned_at_ns)),
        "sent_at_ns": (<size_t>&record.sent_at_ns, sizeof(record.sent_at_ns)),
        "first_byte_at_ns": (<size_t>&record.first_byte_at_ns, sizeof(record.first_byte_at_ns)),
        "first_token_at_ns": (<size_t>&record.first_token_at_ns, sizeof(record.first_token_at_ns)),
        "last_token_at_ns": (<size_t>&record.last_token_at_ns, sizeof(record.last_token_at_ns)),
        "done_at_ns": (<size_t>&record.done_at_ns, sizeof(record.done_at_ns)),
        "read_lag_ns": (<size_t>&record.read_lag_ns, sizeof(record.read_lag_ns)),
        "request_bytes": (<size_t>&record.request_bytes, sizeof(record.request_bytes)),
        "response_bytes": (<size_t>&record.response_bytes, sizeof(record.response_bytes)),
        "server_total_ns": (<size_t>&record.server_total_ns, sizeof(record.server_total_ns)),
        "server_load_ns": (<size_t>&record.server_load_ns, sizeof(record.server_load_ns)),
        "server_prompt_eval_ns": (<size_t>&record.server_prompt_eval_ns, sizeof(record.server_prompt_eval_ns)),
        "server_eval_ns": (<size_t>&record.server_eval_ns, sizeof(record.server_eval_ns)),
        "n_events": (<size_t>&record.n_events, sizeof(record.n_events)),
        "n_gaps": (<size_t>&record.n_gaps, sizeof(record.n_gaps)),
        "n_shared_stamps": (<size_t>&record.n_shared_stamps, sizeof(record.n_shared_stamps)),
        "prompt_tokens": (<size_t>&record.prompt_tokens, sizeof(record.prompt_tokens)),
        "output_tokens": (<size_t>&record.output_tokens, sizeof(record.output_tokens)),
        "connection": (<size_t>&record.connection, sizeof(record.connection)),
        "payload": (<size_t>&record.payload, sizeof(record.payload)),
        "http_status": (<size_t>&record.http_status, sizeof(record.http_status)),
        "outcome": (<size_t>&record.outcome, sizeof(record.outcome)),
        "phase": (<size_t>&record.phase, sizeof(record.phase)),
        "operation": (<size_t>&record.operation, sizeof(record.operation)),
        "stamp": (<size_t>&record.stamp, sizeof(record.stamp)),
        "finish_reason": (<size_t>&record.finish_reason, sizeof(record.finish_reason)),
        "token_source": (<size_t>&record.token_source, sizeof(record.token_source)),
        "error": (<size_t>&record.error, sizeof(record.error)),
    }


cdef void* _reserve(size_t n_bytes) except NULL:
    """Zeroed memory that costs nothing until it is touched."""
    cdef void* region = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    if region == MAP_FAILED:
        raise MemoryError(f"cannot reserve {n_bytes} bytes of addresses")
    return region


cdef class SharedWindow:
    """The window's first instant, for all loops of a run: given, or set by the first loop that plans a request of the window."""

    cdef Window window

    def __cinit__(self, int64_t from_ns):
        self.window.from_ns = from_ns

    @property
    def from_ns(self) -> int | None:
        cdef int64_t from_ns = atomic_load(&self.window.from_ns)
        return None if from_ns == UNKNOWN else from_ns


cdef class Loop:
    """One thread's share of a run. `open`, then `run`; every other method may be called meanwhile from one other thread."""

    cdef LoopState* loop
    cdef SharedWindow window
    cdef const uint8_t[::1] raw
    cdef const int64_t[::1] from_byte
    cdef const int32_t[::1] id_at, nonce_at, operation

    def __cinit__(self, pool, SharedWindow window not None, *, int n_connections, int wire, bint open_loop):
        self.loop = <LoopState*>_reserve(sizeof(LoopState))
        self.window = window
        self.loop.window = &window.window
        self.loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
        self.loop.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        if self.loop.epoll_fd < 0 or self.loop.wake_fd < 0:
            raise OSError(errno, "cannot make an epoll")
        self.loop.settings.n_connections = n_connections
        self.loop.settings.wire = wire
        self.loop.settings.open_loop = open_loop
        self.loop.n_slots = n_connections
        self.loop.ended_at_ns = UNKNOWN
        self.loop.deadlines.first = NOBODY
        self.loop.deadlines.last = NOBODY
        self._take_memory(n_connections)
        self._take_pool(pool)
        self._watch_wake()
        clock_begin(&self.loop.clock, 0)

    cdef int _take_memory(self, int n_connections) except -1:
        cdef int i
        self.loop.connections = <Connection*>_reserve(n_connections * sizeof(Connection))
        self.loop.free = <int32_t*>_reserve(n_connections * sizeof(int32_t))
        self.loop.pauses.heap = <Pause*>_reserve(n_connections * sizeof(Pause))
        self.loop.buffer = <uint8_t*>_reserve(READ_BYTES)
        self.loop.arena.pages = <Page*>_reserve(<size_t>ARENA_PAGES * sizeof(Page))
        self.loop.arena.n_pages = ARENA_PAGES
        self.loop.arena.free = NO_PAGE
        blocks_begin(&self.loop.blocks, <Block*>_reserve(MAX_BLOCKS * sizeof(Block)))
        for i in range(n_connections):
            self.loop.connections[i].fd = -1
            self.loop.connections[i].state = CLOSED
        return 0

    cdef int _take_pool(self, pool) except -1:
        self.raw = pool.raw
        self.from_byte = pool.from_byte
        self.id_at = pool.id_at
        self.nonce_at = pool.nonce_at
        self.operation = pool.operation
        self.loop.pool.raw = &self.raw[0]
        self.loop.pool.from_byte = &self.from_byte[0]
        self.loop.pool.id_at = &self.id_at[0]
        self.loop.pool.nonce_at = &self.nonce_at[0]
        self.loop.pool.operation = &self.operation[0]
        return 0

    cdef int _watch_wake(self) except -1:
        cdef epoll_event event
        memset(&event, 0, sizeof(event))
        event.events = EPOLLIN
        event.data.u64 = <uint64_t>UNKNOWN
        if epoll_ctl(self.loop.epoll_fd, EPOLL_CTL_ADD, self.loop.wake_fd, &event) < 0:
            raise OSError(errno, "cannot watch the wake-up event")
        return 0

    def __dealloc__(self):
        if self.loop == NULL:
            return
        loop_close(self.loop)
        close(self.loop.epoll_fd)
        close(self.loop.wake_fd)
        munmap(self.loop.connections, self.loop.settings.n_connections * sizeof(Connection))
        munmap(self.loop.free, self.loop.settings.n_connections * sizeof(int32_t))
        munmap(self.loop.pauses.heap, self.loop.settings.n_connections * sizeof(Pause))
        munmap(self.loop.buffer, READ_BYTES)
        munmap(self.loop.arena.pages, <size_t>ARENA_PAGES * sizeof(Page))
        munmap(self.loop.blocks.blocks, MAX_BLOCKS * sizeof(Block))
        munmap(self.loop, sizeof(LoopState))

    def set_address(self, int family, str host, int port):
        """Where to connect: a numeric address."""
        cdef sockaddr_in* four = <sockaddr_in*>&self.loop.address
        cdef sockaddr_in6* six = <sockaddr_in6*>&self.loop.address
        cdef bytes text = host.encode()
        cdef int is_good
        if family == AF_INET:
            four.sin_family = AF_INET
            four.sin_port = htons(port)
            is_good = inet_pton(AF_INET, text, &four.sin_addr)
            self.loop.n_address_bytes = sizeof(sockaddr_in)
        else:
            six.sin6_family = AF_INET6
            six.sin6_port = htons(port)
            is_good = inet_pton(AF_INET6, text, &six.sin6_addr)
            self.loop.n_address_bytes = sizeof(sockaddr_in6)
        if is_good != 1:
            raise ValueError(f"not a numeric address: {host}")

    def set_limits(
        self, *, int64_t warmup_ns, warmup_requests, duration_ns, n_measured, int64_t drain_ns, int64_t timeout_ns,
        int thread, int n_threads, bint fail_on_truncated,
    ):
        cdef Settings* settings = &self.loop.settings
        settings.warmup_ns = warmup_ns
        settings.warmup_requests = UNKNOWN if warmup_requests is None else warmup_requests
        settings.duration_ns = UNKNOWN if duration_ns is None else duration_ns
        settings.n_measured = UNKNOWN if n_measured is None else n_measured
        settings.drain_ns = drain_ns
        settings.timeout_ns = timeout_ns
        settings.thread = thread
        settings.n_threads = n_threads
        settings.fail_on_truncated = fail_on_truncated

    def set_names(self, bytes tag not None, expects_tokens):
        """tag: what goes into the slots before the index. expects_tokens: one bool an operation."""
        cdef int i
        if len(tag) > SLOT_BYTES - 8:
            raise ValueError(f"the run's tag leaves no room for an index: {tag!r}")
        self.loop.settings.n_tag_bytes = <int>len(tag)
        memcpy(self.loop.settings.tag, <const char*>tag, len(tag))
        for i, expects in enumerate(expects_tokens):
            self.loop.settings.expects_tokens[i] = bool(expects)

    # --- in the loop's thread

    def open(self):
        """Open the connections; returns when each is open or has failed."""
        with nogil:
            loop_open(self.loop)

    def run(self, int64_t origin_ns):
        """Carry the load. origin_ns: CLOCK_MONOTONIC of the run's instant 0. Returns after the last answer."""
        with nogil:
            prctl(PR_SET_TIMERSLACK, 1)
            clock_begin(&self.loop.clock, origin_ns)
            loop_run(self.loop)

    # --- from the other thread

    def stop(self):
        """End now; what is under way is cancelled."""
        cdef int64_t one = 1
        atomic_store(&self.loop.stop_asked, 1)
        write(self.loop.wake_fd, &one, sizeof(one))

    @property
    def n_open(self) -> int:
        """Connections that are open."""
        return sum([self.loop.connections[i].state != CLOSED for i in range(self.loop.settings.n_connections)])

    @property
    def room(self) -> int:
        """How many draws can be fed now."""
        return dues_room(&self.loop.dues)

    def feed(self, const int64_t[::1] when_ns not None, const uint32_t[::1] payload not None):
        """Draws for this loop's next indexes; no more than there is room for."""
        if len(when_ns) > 0:
            dues_put(&self.loop.dues, &when_ns[0], &payload[0], len(when_ns))

    def feed_end(self):
        """There are no more draws."""
        atomic_store(&self.loop.dues.is_ended, 1)

    def n_waiting(self, int64_t now_ns) -> int:
        """Open loop: arrivals that are due and have no connection yet."""
        cdef int64_t at = atomic_load(&self.loop.dues.n_taken), end = self.loop.dues.n_put, n = 0
        if not self.loop.settings.open_loop:
            return 0
        while at < end and self.loop.dues.dues[at & (DUE_PLACES - 1)].when_ns <= now_ns:
            at += 1
            n += 1
        return n

    @property
    def counters(self) -> dict:
        """As they stand; see ext/core/state.pxd."""
        return self.loop.counters

    @property
    def n_lost(self) -> int:
        """Records for which no block was empty."""
        return self.loop.blocks.n_lost

    @property
    def n_clock_steps(self) -> int:
        return self.loop.clock.n_steps

    def take_full(self) -> int:
        """The number of a block that is full, or -1."""
        return ring_take(&self.loop.blocks.full)

    def block(self, int64_t number):
        """(records, gaps): the block's bytes, not copied; good until it is given back. The records may be changed."""
        cdef Block* block = &self.loop.blocks.blocks[number]
        return (
            PyMemoryView_FromMemory(<char*>block.records, block.n_records * sizeof(Record), PyBUF_WRITE),
            PyMemoryView_FromMemory(<char*>block.gaps_ns, block.n_gaps * sizeof(int64_t), PyBUF_READ),
        )

    def give_back(self, int64_t number):
        blocks_give_back(&self.loop.blocks, number)


cdef int64_t _count_lines(const uint8_t* text, int64_t n_bytes) noexcept nogil:
    cdef int64_t n_lines = 0, i
    for i in range(n_bytes):
        n_lines += text[i] == c"\n"
    return n_lines


cdef class Lines:
    """requests.jsonl, appended to in whole lines. A write that fails leaves the file at its last whole line."""

    cdef Names names
    cdef uint8_t* buffer
    cdef list texts
    cdef readonly int error
    cdef int fd
    cdef int64_t n_good_bytes

    def __cinit__(self, int fd, int64_t n_bytes, bytes tag not None, operations, expects_tokens, codes):
        """fd: the open file, n_bytes long. codes: JSON texts {"outcomes": [...], "phases": ...}, by code."""
        cdef int i
        self.fd = fd
        self.n_good_bytes = n_bytes
        self.buffer = <uint8_t*>_reserve(LINES_BYTES)
        self.texts = []
        memcpy(self.names.tag, <const char*>tag, len(tag))
        self.names.n_tag_bytes = <int>len(tag)
        self._name(self.names.outcomes, codes["outcomes"])
        self._name(self.names.phases, codes["phases"])
        self._name(self.names.stamps, codes["stamps"])
        self._name(self.names.finish_reasons, codes["finish_reasons"])
        self._name(self.names.token_sources, codes["token_sources"])
        self._name(self.names.operations, operations)
        for i, expects in enumerate(expects_tokens):
            self.names.expects_tokens[i] = bool(expects)

    cdef int _name(self, Text* places, texts) except -1:
        cdef bytes text
        cdef int i
        for i, text in enumerate(texts):
            self.texts.append(text)  # keeps the bytes alive
            places[i] = text
        return 0

    def __dealloc__(self):
        if self.buffer != NULL:
            munmap(self.buffer, LINES_BYTES)

    def write(self, records not None, gaps_ns not None) -> int:
        """Format a block (bytes of records, bytes of gaps) and append it.

        Returns how many of its records are in the file, in whole lines. Fewer than there are: `error` is the errno that says why.
        """
        cdef const uint8_t[::1] record_bytes = records
        cdef const uint8_t[::1] gap_bytes = gaps_ns
        cdef int64_t n_records = len(record_bytes) // <int64_t>sizeof(Record)
        cdef const Record* first
        cdef const int64_t* gaps = NULL
        if n_records == 0:
            return 0
        first = <const Record*>&record_bytes[0]
        if len(gap_bytes) > 0:
            gaps = <const int64_t*>&gap_bytes[0]
        with nogil:
            n_records = self._write(first, n_records, gaps)
        return n_records

    cdef int64_t _write(self, const Record* records, int64_t n_records, const int64_t* gaps_ns) noexcept nogil:
        cdef uint8_t* end = self.buffer
        cdef int64_t i, n_needed, n_written = 0
        for i in range(n_records):
            n_needed = LINE_BYTES + records[i].n_gaps * <int64_t>GAP_BYTES
            if end + n_needed > self.buffer + LINES_BYTES:
                n_written += self._flush(end - self.buffer)
                if self.error != 0:
                    return n_written
                end = self.buffer
            end = json_line(end, &records[i], gaps_ns, &self.names)
            gaps_ns += records[i].n_gaps
        return n_written + self._flush(end - self.buffer)

    cdef int64_t _flush(self, int64_t n_bytes) noexcept nogil:
        """Append lines and return how many. Where that fails, set `error` and cut the file after its last whole line."""
        cdef int64_t n_written = 0
        cdef ssize_t n
        while n_written < n_bytes:
            n = write(self.fd, self.buffer + n_written, n_bytes - n_written)
            if n >= 0:
                n_written += n
            elif errno != EINTR:
                self.error = errno
                break
        while n_written > 0 and self.buffer[n_written - 1] != c"\n":
            n_written -= 1
        self.n_good_bytes += n_written
        if self.error != 0:
            ftruncate(self.fd, self.n_good_bytes)
        return _count_lines(self.buffer, n_written)
