"""What the loop knows: one Connection a socket, one Loop a thread. Nothing here is shared between threads but `window`."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from core.arena cimport Arena, Instants
from core.block cimport Blocks
from core.clock cimport RunClock
from core.dues cimport Dues
from core.keys cimport Draw, Keys
from core.pauses cimport Pauses
from core.payload cimport Pool
from core.record cimport Record
from linux.socket cimport sockaddr_storage, socklen_t
from wire.answer cimport AnswerReader
from wire.http1 cimport Http1Parser
from wire.http1_seen cimport SeenHead
from wire.json_ids cimport IdsReader
from wire.pgwire cimport PgParser
from wire.resp cimport RespParser
from wire.search cimport Search
from wire.value cimport ValueReader

cdef enum:
    NOBODY = -1              # no connection
    UNKNOWN = -1             # an instant or a limit that is not there
    READ_BYTES = 131072
    SMALL_BYTES = 4096       # a request up to so long is put together before it is sent
    TEXTS_BYTES = 608        # of the slots of one request: MAX_SLOTS of the widest

cdef enum Wire:              # as in loadgen/plan/model.py
    WIRE_OPENAI = 0
    WIRE_OLLAMA = 1
    WIRE_HTTP = 2
    WIRE_REDIS = 3
    WIRE_POSTGRESQL = 4

cdef enum ConnectionState:
    CLOSED = 0
    CONNECTING = 1
    IDLE = 2
    SENDING = 3              # the kernel has not yet taken the whole request
    READING = 4
    ASKED = 5                # another thread is asked for a socket that is connected and logged in

cdef struct Queued:          # a request of the batch that is under way
    Record record
    Draw draw

cdef struct Connection:
    Record record            # the request it carries; of a batch the one whose answer is read
    Draw draw
    Queued* queue            # those after it
    uint8_t* outbox          # the batch as it is sent; NULL where requests go one by one
    const uint8_t* raw       # the request's bytes
    Instants instants        # of its content events
    AnswerReader answer
    Http1Parser http
    RespParser resp
    PgParser pg
    ValueReader value
    Search search
    IdsReader ids
    int64_t given            # by the other thread: 0 nothing yet, UNKNOWN refused (see `refusal`), else the socket + 1
    int64_t asked            # for the other thread: a socket is wanted
    int64_t freed_at_ns      # when its last answer ended
    int64_t last_arrival_ns  # arrivals on one connection never go back
    int64_t deadline_ns
    int64_t n_sent_bytes     # of the request, or of the batch
    int64_t n_to_send        # up to here it is sent before the server is waited for
    int64_t n_answers        # that this socket has brought
    int64_t backoff_ns       # before the next try, after a connection that could not be opened
    int fd
    int state                # ConnectionState
    uint32_t generation      # tells events of an earlier socket from this one's
    int32_t earlier          # neighbours in the list of deadlines
    int32_t later
    int32_t n_queued         # in the batch, beside the record
    int32_t queue_at         # the next of them
    int32_t step             # of the request, as sent
    bint is_listed
    bint carries             # a request is under way
    bint has_due             # closed loop: the record is planned and waits for its instant
    bint is_framed           # the answer's head has come, and how its body is read is known
    bint is_judged           # its body is followed, see core/judging.pxd
    uint8_t stamp            # of the last read: what dated it
    bint is_cleaning         # the record is complete; a transaction is being rolled back
    char[108] refusal        # why there is no socket

cdef struct Settings:
    int64_t warmup_ns
    int64_t warmup_requests  # UNKNOWN: the warm-up is a time
    int64_t duration_ns      # UNKNOWN: the window ends by count
    int64_t n_measured       # so many of the window's requests are this thread's; UNKNOWN: as many as its time allows
    int64_t drain_ns
    int64_t timeout_ns
    int64_t thread
    int64_t n_threads
    int64_t job              # of the service, among n_jobs side by side
    int64_t n_jobs
    int64_t outbox_bytes
    int32_t n_connections
    int32_t pipeline
    int32_t first_operation  # what the jobs before have
    int wire
    bint open_loop
    bint fail_on_truncated
    bint is_given_sockets    # connections are opened by another thread
    int n_tag_bytes
    char[28] tag             # the run's, in front of the index in every slot
    char[8] value_tag        # of stamps
    uint8_t[256] expects_tokens   # by operation of this job

cdef struct Window:          # of all threads of a job; set once
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
    Keys keys
    Window* window
    SeenHead seen_head       # of the last answer over HTTP
    Connection* connections
    int32_t* free            # open loop: a stack of connections that carry nothing
    uint8_t* buffer          # READ_BYTES
    uint8_t[4096] outgoing   # SMALL_BYTES
    uint8_t[608] texts       # TEXTS_BYTES
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
