"""The simulator's Python face: settings and ready-made bytes in, counts out. All else is in ext/sim."""
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from sim.body_scan cimport SCAN_NOT_SAID, BodyScan, body_scan_begin, body_scan_feed, body_scan_is_object
from sim.connection cimport read_clocks
from sim.draw cimport Draw, Rng, draw, rng_seed
from sim.faults cimport fault_of_name
from sim.frame cimport MAX_TOKEN_DIGITS, frame_build
from sim.lateness cimport lateness_at_ns
from sim.log cimport log_more_pages, log_wake, log_write_until_end
from sim.loop cimport serve_until_stopped
from sim.message cimport MAX_PIECES, template_compile
from sim.posix cimport EPOLLET, EPOLLIN, EPOLL_CLOEXEC, EPOLL_CTL_ADD, PR_SET_TIMERSLACK, __ATOMIC_RELEASE
from sim.posix cimport __atomic_store_n, close, epoll_create1, epoll_ctl, epoll_event, errno, prctl
from sim.state cimport MAX_ROUTES, NO_FD, N_OPERATIONS, Conn, Dialect, Page, Request, Server

cdef extern from "<stdlib.h>":
    void* aligned_alloc(size_t alignment, size_t n)

cdef enum:
    CACHE_LINE_BYTES = 64

DIALECT_PARTS = (
    "stream_head", "opening", "token", "finish", "usage", "done", "error_event", "not_json", "whole", "error_body",
)


def draws(tuple shape, int seed, int ordinal, int n):
    """n draws of a (kind, mean, std, low, high), as request number `ordinal` makes them. For tests."""
    cdef Rng rng
    cdef Draw as_drawn
    fill_draw(&as_drawn, shape)
    rng_seed(&rng, <unsigned long>seed, <unsigned long>ordinal)
    return [draw(&as_drawn, &rng) for _ in range(n)]


def scan_body(pieces):
    """What is found in a request's body that comes in these pieces: a dict, None for what is not said. For tests."""
    cdef BodyScan scan
    cdef bytes piece
    body_scan_begin(&scan)
    for piece in pieces:
        body_scan_feed(&scan, piece, len(piece))
    return {
        "stream": None if scan.stream == SCAN_NOT_SAID else bool(scan.stream),
        "include_usage": bool(scan.include_usage),
        "max_tokens": None if scan.max_tokens == SCAN_NOT_SAID else scan.max_tokens,
        "n_words": scan.n_words,
        "n_inputs": scan.n_inputs,
        "model": (<char*>scan.model)[:scan.model_bytes],
        "is_object": bool(body_scan_is_object(&scan)),
    }


cdef int fill_draw(Draw* into, tuple shape) except -1:
    into.kind, into.mean, into.std, into.low, into.high = shape
    return 0


cdef class Simulator:
    """One server. `run` serves until a stop descriptor is readable; `write_log` runs in a thread beside it."""
    cdef Server* server
    cdef list kept          # bytes that the server points into

    def __cinit__(self, int n_conns):
        self.kept = []
        self.server = <Server*>calloc(1, sizeof(Server))
        if self.server == NULL:
            raise MemoryError()
        # Untouched pages cost nothing: only connections that were open at once take memory.
        self.server.requests = <Request*>calloc(<size_t>n_conns, sizeof(Request))
        self.server.conns = <Conn*>aligned_alloc(CACHE_LINE_BYTES, <size_t>n_conns * sizeof(Conn))
        if self.server.requests == NULL or self.server.conns == NULL:
            raise MemoryError()
        memset(self.server.conns, 0, <size_t>n_conns * sizeof(Conn))
        self.server.n_conns = n_conns
        self.server.queue_first = self.server.queue_last = NO_FD
        self.server.stop_fds[0] = self.server.stop_fds[1] = NO_FD
        self.server.log.fd = self.server.log.wake_fd = NO_FD
        self.server.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
        if self.server.epoll_fd < 0:
            raise OSError(errno, "epoll_create1")

    def __dealloc__(self):
        if self.server != NULL:
            if self.server.epoll_fd > 0:
                close(self.server.epoll_fd)
            free(self.server.conns)
            free(self.server.requests)
            free(self.server)

    cdef const uint8_t* keep(self, bytes text) except NULL:
        self.kept.append(text)
        return text

    cdef int fill_page(self, Page* page, tuple parts) except -1:
        head, body = parts
        page.answer = self.keep(head + body)
        page.n_head = len(head)
        page.n_answer = len(head) + len(body)
        return 0

    cdef int watch(self, int fd) except -1:
        cdef epoll_event event
        event.events = EPOLLIN | EPOLLET
        event.data.u64 = <unsigned long>fd
        if epoll_ctl(self.server.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0:
            raise OSError(errno, "epoll_ctl")
        return 0

    def set_draws(self, tuple ttft_ns, tuple gap_ns, n_tokens, int default_n_tokens):
        """Each a (kind, mean, std, low, high); n_tokens None: as many as the request asks."""
        fill_draw(&self.server.settings.ttft_ns, ttft_ns)
        fill_draw(&self.server.settings.gap_ns, gap_ns)
        self.server.settings.draws_n_tokens = n_tokens is not None
        if n_tokens is not None:
            fill_draw(&self.server.settings.n_tokens, n_tokens)
        self.server.settings.default_n_tokens = default_n_tokens

    def set_limits(self, int64_t n_slots, unsigned long long seed, models):
        """n_slots 0: no limit. models: the names that are known, None for any."""
        self.server.settings.n_slots = n_slots
        self.server.settings.seed = seed
        if models is not None:
            self.server.settings.models = self.keep("".join(f"{name}\n" for name in models).encode() + b"\0")

    def set_faults(self, double error_ratio, dict weights):
        """weights by a fault's name. Raises ValueError for a name that is none."""
        cdef bytes name
        cdef int fault
        self.server.settings.error_ratio = error_ratio
        for text, share in weights.items():
            name = text.encode()
            fault = fault_of_name(name, <int>len(name))
            if fault == 0:
                raise ValueError(f"no such fault: {text}")
            self.server.settings.fault_weights[fault] = share / sum(weights.values())

    def set_dialect(self, int operation, dict parts):
        """parts: template bytes by their name in DIALECT_PARTS; those left out are empty."""
        cdef Dialect* dialect = &self.server.dialects[operation]
        cdef bytes text
        if operation >= N_OPERATIONS:
            raise ValueError(f"no such operation: {operation}")
        for i, name in enumerate(DIALECT_PARTS):
            text = parts.get(name, b"")
            if text.count(b"\0") >= MAX_PIECES:
                raise ValueError(f"too many fields: {name}")
            template_compile(&(&dialect.stream_head)[<int>i], text, len(text))
        for digits in range(1, MAX_TOKEN_DIGITS + 1):
            frame_build(&dialect.frames[<int>digits], &dialect.token, digits)

    def add_route(self, bytes path, int operation, int family, int methods, tuple page):
        """methods: a bit each. page: (head, body) of a ready answer, (b"", b"") where the operation makes one."""
        cdef int at = self.server.n_routes
        if at >= MAX_ROUTES:
            raise ValueError("too many routes")
        self.server.routes[at].path = self.keep(path)
        self.server.routes[at].n_path = <int>len(path)
        self.server.routes[at].operation = operation
        self.server.routes[at].family = family
        self.server.routes[at].methods = methods
        self.fill_page(&self.server.routes[at].page, page)
        self.server.n_routes += 1

    def set_refusal(self, int family, int fault, tuple page):
        self.fill_page(&self.server.refusals[16 * family + fault], page)

    def set_page(self, int which, tuple page):
        self.fill_page(&self.server.pages[which], page)

    def set_log(self, int fd, int wake_fd):
        """wake_fd: an eventfd that `write_log` waits on."""
        self.server.logs = 1
        self.server.log.fd = fd
        self.server.log.wake_fd = wake_fd
        log_more_pages(&self.server.log)

    def write_log(self):
        with nogil:
            log_write_until_end(&self.server.log)

    def end_log(self):
        """After `run`: lets `write_log` write what is left and return."""
        __atomic_store_n(&self.server.log.ends, 1, __ATOMIC_RELEASE)
        log_wake(&self.server.log)

    @property
    def log_error(self):
        """errno of the first write that failed, or 0."""
        return self.server.log.error

    def run(self, int listen_fd, stop_fds):
        """Serve until one of at most two descriptors can be read, or has hung up."""
        cdef int error
        self.server.listen_fd = listen_fd
        self.watch(listen_fd)
        for i, fd in enumerate(stop_fds):
            self.server.stop_fds[<int>i] = fd
            self.watch(fd)
        prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
        with nogil:
            read_clocks(self.server)
            error = serve_until_stopped(self.server)
        if error:
            raise OSError(error, "epoll_wait")

    def counts(self):
        counts = self.server.counts
        return {
            "n_requests": counts.n_generations,
            "n_ok": counts.n_ok,
            "n_tokens": counts.n_tokens,
            "lateness_max_ns": counts.lateness_max_ns,
            "lateness_p99_ns": lateness_at_ns(&self.server.counts, 0.99),
        }
