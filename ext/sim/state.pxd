"""What the server knows: settings, a connection, itself."""
from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t

from sim.body_scan cimport BodyScan
from sim.draw cimport Draw, Rng
from sim.frame cimport Frame
from sim.head cimport Head
from sim.log cimport Log, TokenPage
from sim.message cimport Template
from sim.text cimport Buffer, IsoClock
from sim.timers cimport Timers

cdef enum:
    NO_FD = -1
    N_LATENESS_BINS = 512
    N_OPERATIONS = 6
    MAX_ROUTES = 48
    READ_BYTES = 65536

cdef enum Operation:
    OP_CHAT = 0
    OP_COMPLETION
    OP_OLLAMA_CHAT
    OP_OLLAMA_GENERATE
    OP_EMBEDDINGS
    OP_OLLAMA_EMBED
    OP_METRICS
    OP_FIXED                # a route whose whole answer was made beforehand

cdef enum Family:
    FAMILY_OPENAI = 0
    FAMILY_OLLAMA = 1
    N_FAMILIES = 2

cdef enum OwnPage:
    PAGE_NOT_FOUND = 0
    PAGE_BAD_METHOD
    PAGE_BAD_REQUEST
    PAGE_HEAD_TOO_LONG
    PAGE_NO_SUCH_FAULT

cdef enum ConnState:
    CONN_CLOSED = 0
    CONN_HEAD               # reading a request
    CONN_BODY
    CONN_CHUNK_SIZE
    CONN_CHUNK_BODY
    CONN_CHUNK_END
    CONN_TRAILER
    CONN_READY              # a request is whole
    CONN_QUEUED             # waits for a slot
    CONN_TIMED              # its timer is in the heap
    CONN_STALLED            # on purpose
    CONN_FLUSHING           # all is said; the kernel does not take it yet

cdef enum Phase:
    PHASE_OPEN = 0          # next: head and role
    PHASE_HEAD              # next: a piece of a slow head
    PHASE_TOKENS
    PHASE_WHOLE             # next: the whole answer at once

# The request that is read or answered, and what the kernel has not taken: nothing that a token touches.
cdef struct Request:
    Head head
    BodyScan scan
    Buffer out              # what the kernel has not taken yet
    Buffer early            # bytes of the next request that came with this one
    size_t out_sent
    size_t early_used
    int64_t received_ns     # CLOCK_MONOTONIC
    int64_t received_unix_ns
    int64_t granted_ns      # slot granted, CLOCK_MONOTONIC
    int64_t body_left       # bytes of the request's body, or of its chunk
    TokenPage* first_page
    int queue_next          # fd or NO_FD
    int queue_before
    int n_line
    uint8_t after_head      # phase that follows a slow head
    uint8_t streams
    uint8_t is_cut          # it ends because of the limit that was asked
    uint8_t has_slot
    uint8_t is_counted      # a generation: in the log and in the outcome counts
    uint8_t[1024] line      # a line that is not whole yet

# What a token needs, in two cache lines and, for all streams together, in few pages; the rest is in `request`.
cdef struct Conn:
    int64_t due_ns          # next write, CLOCK_MONOTONIC
    int64_t n_written       # tokens
    int64_t n_tokens        # tokens to write
    int64_t fault_at        # after so many tokens
    int fd
    uint32_t generation     # a timer with another is stale
    uint8_t state
    uint8_t phase
    uint8_t operation
    uint8_t fault
    uint8_t is_blocked      # waits for EPOLLOUT
    uint8_t family
    uint8_t closes
    uint8_t readable
    uint8_t peer_gone       # it will send no more
    uint8_t[12] id_digits
    uint8_t[10] created_digits
    TokenPage* last_page
    Request* request
    int64_t first_ns        # first token written, CLOCK_MONOTONIC
    Rng rng
    uint8_t[8] padding      # to 128 bytes

cdef struct Dialect:
    Template stream_head
    Template opening
    Template token
    Template finish
    Template usage          # only if the request asked for it, or always where the dialect says so
    Template done
    Template error_event
    Template not_json
    Template whole
    Template error_body
    Frame[8] frames         # of `token`, by the width of its number

# An answer made beforehand: status line and headers, each with its line end, then the body.
cdef struct Page:
    const uint8_t* answer
    size_t n_answer
    size_t n_head

cdef struct Route:
    const uint8_t* path
    Page page               # OP_FIXED
    int n_path
    int operation
    int family
    int methods             # bit 1 << METHOD_GET and so on

cdef struct Settings:
    Draw ttft_ns
    Draw gap_ns
    Draw n_tokens
    double error_ratio
    double[32] fault_weights    # by Fault; they add up to 1
    uint64_t seed
    int64_t n_slots             # 0: no limit
    int draws_n_tokens          # 0: the request's own figure
    int default_n_tokens        # where neither says
    const uint8_t* models       # "a\\nb\\n", NULL: any

cdef struct Counts:
    int64_t n_requests          # all, of any route
    int64_t n_generations
    int64_t n_ok
    int64_t n_faulted
    int64_t n_client_gone
    int64_t n_tokens            # streamed
    int64_t n_tokens_whole      # in answers that were not streamed
    int64_t n_prompt_tokens
    int64_t n_running
    int64_t n_waiting
    int64_t n_connections
    int64_t n_blocked           # times the kernel took no more
    int64_t lateness_sum_ns
    int64_t lateness_max_ns
    int64_t[512] lateness_bins

cdef struct Server:
    Conn* conns                 # by file descriptor
    Request* requests           # the same
    int n_conns
    int epoll_fd
    int listen_fd
    int[2] stop_fds            # readable: stop
    int accepts_later           # out of descriptors: try again when one is closed
    int stopping
    int queue_first
    int queue_last
    int n_routes
    int logs
    int64_t now_ns              # CLOCK_MONOTONIC, never backwards
    int64_t unix_offset_ns      # CLOCK_REALTIME - CLOCK_MONOTONIC, sampled each turn
    IsoClock clock
    Timers timers
    Buffer scratch
    Buffer body
    Settings settings
    Counts counts
    Log log
    Dialect[6] dialects
    Route[48] routes
    Page[32] refusals           # by 16 * family + Fault
    Page[5] pages               # by OwnPage
    uint8_t[65536] incoming
