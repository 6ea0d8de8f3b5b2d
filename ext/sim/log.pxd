"""The log: one JSON line a request. Token instants are kept in pages from a pool; lines are put together when a request
ends and written in large pieces by a thread of its own, so that a slow disk never delays a token.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport abort, malloc

from sim.posix cimport EINTR, __ATOMIC_ACQUIRE, __ATOMIC_RELEASE, __atomic_load_n, __atomic_store_n, errno, read
from sim.posix cimport write
from sim.text cimport Buffer, buffer_reserve, put_bytes, put_decimal, put_text

cdef enum:
    PAGE_TOKENS = 62        # a page is 1 KiB
    PAGES_A_SLAB = 1024
    LOG_PIECE_BYTES = 131072
    LOG_EVERY_NS = 100_000_000

cdef struct TokenPage:
    TokenPage* next
    int64_t n
    int64_t[62] written_unix_ns
    int64_t[62] due_unix_ns

cdef struct Log:
    TokenPage* free_pages
    Buffer filling          # the loop's
    Buffer writing          # the writer's while is_writing
    int64_t handed_at_ns
    int fd
    int wake_fd             # an eventfd: something to write, or the end
    int is_writing          # atomic
    int ends                # atomic
    int error               # errno of the first write that failed


cdef inline void log_more_pages(Log* log) noexcept nogil:
    cdef TokenPage* slab = <TokenPage*>malloc(PAGES_A_SLAB * sizeof(TokenPage))
    cdef int i
    if slab == NULL:
        abort()
    for i in range(PAGES_A_SLAB):
        slab[i].next = log.free_pages
        log.free_pages = &slab[i]


cdef inline TokenPage* log_take_page(Log* log) noexcept nogil:
    cdef TokenPage* page
    if log.free_pages == NULL:
        log_more_pages(log)
    page = log.free_pages
    log.free_pages = page.next
    page.next = NULL
    page.n = 0
    return page


cdef inline void log_give_back(Log* log, TokenPage* first, TokenPage* last) noexcept nogil:
    if first != NULL:
        last.next = log.free_pages
        log.free_pages = first


cdef inline void put_instants(Buffer* into, const TokenPage* page, bint due) noexcept nogil:
    cdef int64_t i
    cdef bint is_first = True
    while page != NULL:
        buffer_reserve(into, <size_t>(page.n * 21))
        for i in range(page.n):
            if not is_first:
                put_bytes(into, b",", 1)
            is_first = False
            put_decimal(into, page.due_unix_ns[i] if due else page.written_unix_ns[i])
        page = page.next


cdef inline void log_line(
    Log* log, const void* request_id, size_t n_request_id, int64_t received_unix_ns, const TokenPage* pages,
    const char* outcome,
) noexcept nogil:
    cdef Buffer* into = &log.filling
    put_text(into, b'{"request_id":"')
    put_bytes(into, request_id, n_request_id)
    put_text(into, b'","received_unix_ns":')
    put_decimal(into, received_unix_ns)
    put_text(into, b',"token_unix_ns":[')
    put_instants(into, pages, False)
    put_text(into, b'],"due_unix_ns":[')
    put_instants(into, pages, True)
    put_text(into, b'],"outcome":"')
    put_text(into, outcome)
    put_text(into, b'"}\n')


cdef inline void log_wake(Log* log) noexcept nogil:
    cdef uint64_t one = 1
    write(log.wake_fd, &one, 8)


cdef inline void log_hand_over(Log* log, int64_t now_ns) noexcept nogil:
    """Give what there is to the writer, if it is idle; else it is kept for the next time."""
    cdef Buffer swapped
    if log.filling.n == 0 or __atomic_load_n(&log.is_writing, __ATOMIC_ACQUIRE):
        return
    swapped = log.writing
    log.writing = log.filling
    log.filling = swapped
    log.filling.n = 0
    log.handed_at_ns = now_ns
    __atomic_store_n(&log.is_writing, 1, __ATOMIC_RELEASE)
    log_wake(log)


cdef inline void log_turn(Log* log, int64_t now_ns) noexcept nogil:
    if log.filling.n >= LOG_PIECE_BYTES or (log.filling.n > 0 and now_ns - log.handed_at_ns > LOG_EVERY_NS):
        log_hand_over(log, now_ns)


cdef inline void write_all(Log* log, const Buffer* buffer) noexcept nogil:
    cdef size_t n_done = 0
    cdef ssize_t n
    while n_done < buffer.n:
        n = write(log.fd, buffer.at + n_done, buffer.n - n_done)
        if n < 0 and errno == EINTR:
            continue
        if n <= 0:
            log.error = errno
            return
        n_done += <size_t>n


cdef inline void log_write_until_end(Log* log) noexcept nogil:
    """The writer thread's whole life. At the end the loop has stopped, and its own buffer is written too."""
    cdef uint64_t count
    while True:
        if read(log.wake_fd, &count, 8) < 0 and errno != EINTR:
            return
        if __atomic_load_n(&log.is_writing, __ATOMIC_ACQUIRE):
            write_all(log, &log.writing)
            __atomic_store_n(&log.is_writing, 0, __ATOMIC_RELEASE)
        if __atomic_load_n(&log.ends, __ATOMIC_ACQUIRE):
            write_all(log, &log.filling)
            return
