"""What the loop knows: one Connection a socket, one Loop a thread. Nothing here is shared between threads but `window`."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from core.arena cimport Arena, Instants
from core.block cimport Blocks
from core.clock cimport RunClock
from core.dues cimport Dues
from core.pauses cimport Pauses
from core.record cimport Record
from linux.socket cimport sockaddr_storage, socklen_t
from wire.answer cimport AnswerReader
from wire.http1 cimport Http1Parser

cdef enum:
    SLOT_BYTES = 28          # as in loadgen/plan/model.py
    NOBODY = -1              # no connection
    UNKNOWN = -1             # an instant or a limit that is not there
    READ_BYTES = 131072
    SMALL_BYTES = 4096       # a request up to so long is put together before it is sent

cdef enum Wire:              # as in loadgen/plan/model.py
    WIRE_OPENAI = 0
    WIRE_OLLAMA = 1
    WIRE_HTTP = 2

cdef enum ConnectionState:
    CLOSED = 0
    CONNECTING = 1
    IDLE = 2
    SENDING = 3              # the kernel has not yet taken the whole request
    READING = 4

cdef struct Connection:
    Record record            # the request it carries
    Instants instants        # of its content events
    AnswerReader answer
    Http1Parser http
    int64_t freed_at_ns      # when its last answer ended
    int64_t last_arrival_ns  # arrivals on one connection never go back
    int64_t deadline_ns
    int64_t n_sent_bytes     # of the request
    int64_t n_answers        # that this socket has brought
    int64_t backoff_ns       # before the next try, after a connection that could not be opened
    int fd
    int state                # ConnectionState
    uint32_t generation      # tells events of an earlier socket from this one's
    int32_t earlier          # neighbours in the list of deadlines
    int32_t later
    bint is_listed
    bint carries             # a request is under way
    bint has_due             # closed loop: the record is planned and waits for its instant
    bint is_framed           # the answer's head has come, and how its body is read is known
    char[28] slot            # the text for the payload's slots

cdef struct Pool:            # plan/model.py: Pool
    const uint8_t* raw
    const int64_t* from_byte
    const int32_t* id_at
    const int32_t* nonce_at
    const int32_t* operation

cdef struct Settings:
    int64_t warmup_ns
    int64_t warmup_requests  # UNKNOWN: the warm-up is a time
    int64_t duration_ns      # UNKNOWN: the window ends by count
    int64_t n_measured       # so many of the window's requests are this thread's; UNKNOWN: as many as its time allows
    int64_t drain_ns
    int64_t timeout_ns
    int64_t thread
    int64_t n_threads
    int32_t n_connections
    int wire
    bint open_loop
    bint fail_on_truncated
    int n_tag_bytes
    char[28] tag             # the run's, in front of the index in every slot
    uint8_t[256] expects_tokens   # by operation

cdef struct Window:          # of all threads of a run; set once
    int64_t from_ns          # UNKNOWN until the first request of the window is planned

cdef struct Counters:        # read by others at any time
    int64_t n_planned
    int64_t n_measured       # of the window, planned or about to be
    int64_t n_sent
    int64_t n_finished
    int64_t n_succeeded
    int64_t n_failed
    int64_t n_in_flight
    int64_t n_tokens
    int64_t waited_ns        # time in which the loop had nothing to do
    int64_t n_kernel_stamps  # requests dated by the kernel
    int64_t last_done_ns

cdef struct Deadlines:       # connections by deadline, the earliest first
    int32_t first
    int32_t last

cdef struct Gathering:       # see core/turn.pxd
    int64_t epoch_ns         # when the count began
    int64_t n_reads          # since then
    bint is_on

cdef struct Loop:
    Settings settings
    Pool pool
    Dues dues
    Blocks blocks
    Arena arena
    Pauses pauses
    Deadlines deadlines
    Gathering gathering
    RunClock clock
    Counters counters
    Window* window
    Connection* connections
    int32_t* free            # open loop: a stack of connections that carry nothing
    uint8_t* buffer          # READ_BYTES
    uint8_t[4096] outgoing   # SMALL_BYTES
    sockaddr_storage address
    socklen_t n_address_bytes
    int epoll_fd
    int wake_fd
    int32_t n_free
    int32_t n_slots          # closed loop: those that will send again
    int64_t stop_asked       # set by another thread
    int64_t ended_at_ns      # when it was cut short, UNKNOWN: it was not
    int64_t n_due            # taken from dues so far
    int64_t now_ns           # of this turn
    int32_t n_in_read        # content events in the read at hand
