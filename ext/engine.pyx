"""The native engine as Python sees it: a Loop a thread.

All policy (when to stop, who runs in which thread) is loadgen/engine/native.py's; all work is in ext/core.
"""
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.buffer cimport PyBUF_READ, PyBUF_WRITE
from libc.errno cimport errno
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from posix.mman cimport MAP_ANONYMOUS, MAP_FAILED, MAP_NORESERVE, MAP_PRIVATE, PROT_READ, PROT_WRITE, mmap, munmap
from posix.unistd cimport close, write

from core.arena cimport NO_PAGE, Page
from core.block cimport MAX_BLOCKS, Block, blocks_begin, blocks_give_back
from core.clock cimport clock_begin
from core.dues cimport DUE_PLACES, dues_put, dues_room
from core.keys cimport KeyState
from core.pauses cimport Pause
from core.payload cimport FIRST_VERSION, MAX_VALUES, SLOT_BYTES, TAG_BYTES, Payload, Slot
from core.record cimport ERROR_BYTES, Record
from core.ring cimport ring_length, ring_take
from core.state cimport CLOSED, NOBODY, READ_BYTES, UNKNOWN, Connection, Queued, Settings, Window
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


def layouts() -> dict:
    """{name: {field: (offset, size)}} of what numpy and the loops share, in bytes; a test compares it with the dtypes."""
    cdef Payload* payload = NULL
    cdef KeyState* state = NULL
    return {
        "payload": {
            "raw_from": (<size_t>&payload.raw_from, sizeof(payload.raw_from)),
            "raw_bytes": (<size_t>&payload.raw_bytes, sizeof(payload.raw_bytes)),
            "body_from": (<size_t>&payload.body_from, sizeof(payload.body_from)),
            "body_bytes": (<size_t>&payload.body_bytes, sizeof(payload.body_bytes)),
            "key": (<size_t>&payload.key, sizeof(payload.key)),
            "crc": (<size_t>&payload.crc, sizeof(payload.crc)),
            "body_at": (<size_t>&payload.body_at, sizeof(payload.body_at)),
            "slot_from": (<size_t>&payload.slot_from, sizeof(payload.slot_from)),
            "n_slots": (<size_t>&payload.n_slots, sizeof(payload.n_slots)),
            "step_from": (<size_t>&payload.step_from, sizeof(payload.step_from)),
            "n_steps": (<size_t>&payload.n_steps, sizeof(payload.n_steps)),
            "needle_from": (<size_t>&payload.needle_from, sizeof(payload.needle_from)),
            "needle_bytes": (<size_t>&payload.needle_bytes, sizeof(payload.needle_bytes)),
            "neighbour_from": (<size_t>&payload.neighbour_from, sizeof(payload.neighbour_from)),
            "n_neighbours": (<size_t>&payload.n_neighbours, sizeof(payload.n_neighbours)),
            "expect_status": (<size_t>&payload.expect_status, sizeof(payload.expect_status)),
            "operation": (<size_t>&payload.operation, sizeof(payload.operation)),
            "check": (<size_t>&payload.check, sizeof(payload.check)),
            "expects_no_body": (<size_t>&payload.expects_no_body, sizeof(payload.expects_no_body)),
            "unused": (<size_t>&payload.unused, sizeof(payload.unused)),
        },
        "key": {
            "floor": (<size_t>&state.floor, sizeof(state.floor)),
            "first_in_flight": (<size_t>&state.first_in_flight, sizeof(state.first_in_flight)),
            "n_in_flight": (<size_t>&state.n_in_flight, sizeof(state.n_in_flight)),
            "latest_delete": (<size_t>&state.latest_delete, sizeof(state.latest_delete)),
        },
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
    cdef list held           # the pool's arrays
    cdef list raws           # and the latest two of its raw: a request that is being sent may still point into the one before

    def __cinit__(
        self, pool, SharedWindow window not None, *, int n_connections, int wire, bint open_loop, int pipeline,
        bint is_given_sockets,
    ):
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
        self.loop.settings.pipeline = pipeline
        self.loop.settings.is_given_sockets = is_given_sockets
        self.loop.n_slots = n_connections
        self.loop.ended_at_ns = UNKNOWN
        self.loop.deadlines.first = NOBODY
        self.loop.deadlines.last = NOBODY
        self.held, self.raws = [], []
        self._take_memory(n_connections)
        self._take_pool(pool)
        if pipeline > 1:
            self._take_batches(pool)
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

    cdef size_t _hold(self, array) except? 0:
        """Keep an array for as long as the loop lives. Returns where its bytes lie."""
        self.held.append(array)
        return array.__array_interface__["data"][0]

    cdef size_t _hold_raw(self, raw) except? 0:
        self.raws = [*self.raws[-1:], raw]
        return raw.__array_interface__["data"][0]

    cdef int _take_pool(self, pool) except -1:
        if pool.payloads.itemsize != sizeof(Payload) or pool.slots.itemsize != sizeof(Slot):
            raise ValueError("the pool's layout is not this engine's")
        self.loop.pool.payloads = <const Payload*>self._hold(pool.payloads)
        self.loop.pool.slots = <const Slot*>self._hold(pool.slots)
        self.loop.pool.steps = <const int32_t*>self._hold(pool.steps)
        self.loop.pool.needles = <const uint8_t*>self._hold(pool.needles)
        self.loop.pool.neighbours = <const int64_t*>self._hold(pool.neighbours)
        self.loop.pool.bodies = <const uint8_t*>self._hold(pool.bodies)
        self.loop.pool.raw = <int64_t>self._hold_raw(pool.raw)
        return 0

    cdef int _take_batches(self, pool) except -1:
        """Room for the requests that wait for their answers, and for a batch as it is sent."""
        cdef int n_queued = self.loop.settings.pipeline - 1, i
        cdef Connection* connection
        self.loop.settings.outbox_bytes = self.loop.settings.pipeline * int(pool.payloads["raw_bytes"].max())
        for i in range(self.loop.settings.n_connections):
            connection = &self.loop.connections[i]
            connection.queue = <Queued*>_reserve(n_queued * sizeof(Queued))
            connection.outbox = <uint8_t*>_reserve(self.loop.settings.outbox_bytes)
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
        self._give_batches_back()
        if self.loop.keys.states != NULL:
            munmap(self.loop.keys.states, self.loop.keys.n * sizeof(KeyState))
        close(self.loop.epoll_fd)
        close(self.loop.wake_fd)
        munmap(self.loop.connections, self.loop.settings.n_connections * sizeof(Connection))
        munmap(self.loop.free, self.loop.settings.n_connections * sizeof(int32_t))
        munmap(self.loop.pauses.heap, self.loop.settings.n_connections * sizeof(Pause))
        munmap(self.loop.buffer, READ_BYTES)
        munmap(self.loop.arena.pages, <size_t>ARENA_PAGES * sizeof(Page))
        munmap(self.loop.blocks.blocks, MAX_BLOCKS * sizeof(Block))
        munmap(self.loop, sizeof(LoopState))

    cdef int _give_batches_back(self) except -1:
        cdef int i
        for i in range(self.loop.settings.n_connections):
            if self.loop.connections[i].outbox != NULL:
                munmap(self.loop.connections[i].queue, (self.loop.settings.pipeline - 1) * sizeof(Queued))
                munmap(self.loop.connections[i].outbox, self.loop.settings.outbox_bytes)
        return 0

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
        int thread, int n_threads, int job, int n_jobs, int first_operation, bint fail_on_truncated,
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
        settings.job = job
        settings.n_jobs = n_jobs
        settings.first_operation = first_operation
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

    def set_keys(self, bytes value_tag not None, int64_t n_keys, int64_t n_existing, *, bint is_kept, bint is_fill):
        """value_tag: of stamps. is_kept: what is known of each key's versions is kept, and reads are held against it."""
        cdef int64_t i
        if len(value_tag) != TAG_BYTES:
            raise ValueError(f"the tag of values has {TAG_BYTES} bytes: {value_tag!r}")
        memcpy(self.loop.settings.value_tag, <const char*>value_tag, TAG_BYTES)
        self.loop.keys.next_version = FIRST_VERSION if is_fill else FIRST_VERSION + 1
        self.loop.keys.version_step = 0 if is_fill else 1
        if not is_kept or n_keys == 0:
            return
        self.loop.keys.states = <KeyState*>_reserve(n_keys * sizeof(KeyState))
        self.loop.keys.n = n_keys
        for i in range(min(n_existing, n_keys)):
            self.loop.keys.states[i].floor = FIRST_VERSION

    def set_raw(self, raw not None):
        """Requests from now on are sent from here: the pool's raw anew, of the same shape. No two calls within a request's time-out."""
        atomic_store(&self.loop.pool.raw, <int64_t>self._hold_raw(raw))

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
        atomic_store(&self.loop.stop_asked, 1)
        self._wake()

    @property
    def n_connections(self) -> int:
        return self.loop.settings.n_connections

    @property
    def n_open(self) -> int:
        """Connections that are open."""
        return sum([self.loop.connections[i].state != CLOSED for i in range(self.loop.settings.n_connections)])

    @property
    def room(self) -> int:
        """How many draws can be fed now."""
        return dues_room(&self.loop.dues)

    def feed(self, const int64_t[::1] when_ns not None, const uint32_t[::1] payload not None, const int32_t[:, ::1] values):
        """Draws for this loop's next indexes; no more than there is room for. values: shape (n, MAX_VALUES), or None."""
        cdef const int32_t* first = NULL
        if len(when_ns) == 0:
            return
        if values is not None:
            first = &values[0, 0]
        dues_put(&self.loop.dues, &when_ns[0], &payload[0], first, len(when_ns))

    def wanted(self) -> list:
        """Connections that wait for a socket, each named once for each time that it is asked for."""
        cdef int i
        found = []
        if not self.loop.settings.is_given_sockets:
            return found
        for i in range(self.loop.settings.n_connections):
            if atomic_load(&self.loop.connections[i].asked):
                atomic_store(&self.loop.connections[i].asked, 0)
                found.append(i)
        return found

    def give(self, int connection, int fd):
        """A socket for a connection: connected, logged in, not blocking. It is the loop's from now on."""
        atomic_store(&self.loop.connections[connection].given, fd + 1)
        self._wake()

    def refuse(self, int connection, bytes why not None):
        """There is no socket for this connection just now."""
        cdef Connection* asking = &self.loop.connections[connection]
        memset(asking.refusal, 0, ERROR_BYTES)
        memcpy(asking.refusal, <const char*>why, min(len(why), ERROR_BYTES - 1))
        atomic_store(&asking.given, UNKNOWN)
        self._wake()

    def _wake(self):
        cdef int64_t one = 1
        write(self.loop.wake_fd, &one, sizeof(one))

    def feed_end(self):
        """There are no more draws."""
        atomic_store(&self.loop.dues.is_ended, 1)

    def n_waiting(self, int64_t now_ns) -> int:
        """Open loop: arrivals that are due and have no connection yet."""
        cdef int64_t first = atomic_load(&self.loop.dues.n_taken), at = first
        cdef int64_t end = self.loop.dues.n_put if self.loop.settings.open_loop else first
        while at < end and self.loop.dues.dues[at & (DUE_PLACES - 1)].when_ns <= now_ns:
            at += 1
        return at - first

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

    def keys(self) -> bytes | None:
        """The states of the keys (KEY_DTYPE) as they stand, where they are kept."""
        if self.loop.keys.states == NULL:
            return None
        return PyMemoryView_FromMemory(<char*>self.loop.keys.states, self.loop.keys.n * sizeof(KeyState), PyBUF_READ).tobytes()

    @property
    def backlog_ratio(self) -> float:
        """Of all blocks that there may be, those that are full and wait to be written."""
        return ring_length(&self.loop.blocks.full) / <double>MAX_BLOCKS

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
