"""Where a line ends. No socket, clock or malloc."""
from libc.stdint cimport uint8_t
from libc.string cimport memchr

cdef enum:
    LINE_WINDOW = 512   # bytes searched at a time: many short lines before a far line feed cost little more

cdef inline const uint8_t* line_stop(const uint8_t* at, const uint8_t* end) noexcept nogil:
    """The first line feed or carriage return, or the end."""
    cdef const uint8_t* stop
    cdef const uint8_t* feed
    cdef const uint8_t* carriage
    while at < end:
        stop = at + LINE_WINDOW if end - at > LINE_WINDOW else end
        feed = <const uint8_t*> memchr(at, c"\n", stop - at)
        carriage = <const uint8_t*> memchr(at, c"\r", (feed if feed else stop) - at)
        if carriage:
            return carriage
        if feed:
            return feed
        at = stop
    return end
