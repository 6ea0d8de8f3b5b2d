"""epoll with nanosecond time-outs, eventfd. Declarations only."""
from libc.stdint cimport uint32_t, uint64_t
from linux.clock cimport timespec

cdef extern from "<sys/epoll.h>" nogil:
    cdef union epoll_data:
        uint64_t u64
    cdef struct epoll_event:
        uint32_t events
        epoll_data data
    enum: EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CLOEXEC
    int epoll_create1(int flags)
    int epoll_ctl(int epoll, int operation, int fd, epoll_event* event)
    int epoll_wait(int epoll, epoll_event* events, int n_events, int timeout_ms)

cdef extern from "<sys/eventfd.h>" nogil:
    enum: EFD_NONBLOCK, EFD_CLOEXEC
    int eventfd(unsigned int start, int flags)

cdef extern from *:
    """
    #include <errno.h>
    #include <sys/epoll.h>
    #include <sys/syscall.h>
    #include <time.h>
    #include <unistd.h>
    /* By number: glibc has the name only since 2.35. Kernels before 5.11 lack the call; theirs wakes a millisecond early at most
       and the loop waits again. */
    static int loadgen_epoll_wait(int epoll, struct epoll_event* events, int n_events, const struct timespec* timeout) {
    #ifdef SYS_epoll_pwait2
        int n = (int)syscall(SYS_epoll_pwait2, epoll, events, n_events, timeout, NULL, 0);
        if (n >= 0 || errno != ENOSYS) return n;
    #endif
        return epoll_wait(epoll, events, n_events, (int)(timeout->tv_sec * 1000 + timeout->tv_nsec / 1000000));
    }
    """
    int epoll_wait_ns "loadgen_epoll_wait"(int epoll, epoll_event* events, int n_events, const timespec* timeout) nogil
