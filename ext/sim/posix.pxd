"""What the simulator asks of Linux: declarations only, and the one wait that has no wrapper in older C libraries."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    NS_PER_S = 1_000_000_000

cdef extern from * nogil:
    """
    #include <errno.h>
    #include <linux/prctl.h>
    #include <netinet/in.h>
    #include <netinet/tcp.h>
    #include <sys/epoll.h>
    #include <sys/prctl.h>
    #include <sys/socket.h>
    #include <sys/syscall.h>
    #include <time.h>
    #include <unistd.h>
    #ifndef SYS_epoll_pwait2
    #define SYS_epoll_pwait2 441
    #endif
    """
    struct timespec:
        long tv_sec
        long tv_nsec

    struct tm:
        int tm_sec
        int tm_min
        int tm_hour
        int tm_mday
        int tm_mon
        int tm_year

    union epoll_data:
        int fd
        uint64_t u64

    struct epoll_event:
        uint32_t events
        epoll_data data

    struct linger:
        int l_onoff
        int l_linger

    int errno
    int EAGAIN, EINTR, EMFILE, ENFILE, ENOSYS, EPERM, ECONNABORTED
    int CLOCK_REALTIME, CLOCK_MONOTONIC
    uint32_t EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR, EPOLLET
    int EPOLL_CTL_ADD, EPOLL_CLOEXEC
    int SOL_SOCKET, SO_LINGER, SOCK_NONBLOCK, SOCK_CLOEXEC, MSG_NOSIGNAL
    int PR_SET_TIMERSLACK
    long SYS_epoll_pwait2
    int __ATOMIC_ACQUIRE, __ATOMIC_RELEASE

    int clock_gettime(int clock, timespec* at)
    tm* gmtime_r(const long* seconds, tm* into)
    int epoll_create1(int flags)
    int epoll_ctl(int epoll_fd, int operation, int fd, epoll_event* event)
    int epoll_wait(int epoll_fd, epoll_event* events, int n_events, int timeout_ms)
    long syscall(long number, ...)
    int accept4(int fd, void* address, void* n_address, int flags)
    ssize_t recv(int fd, void* into, size_t n, int flags)
    ssize_t send(int fd, const void* data, size_t n, int flags)
    ssize_t read(int fd, void* into, size_t n)
    ssize_t write(int fd, const void* data, size_t n)
    int close(int fd)
    int setsockopt(int fd, int level, int option, const void* value, unsigned int n)
    int prctl(int option, unsigned long value, ...)
    int __atomic_load_n(int* at, int order)
    void __atomic_store_n(int* at, int value, int order)


cdef inline int64_t realtime_ns() noexcept nogil:
    cdef timespec at
    clock_gettime(CLOCK_REALTIME, &at)
    return <int64_t>at.tv_sec * NS_PER_S + at.tv_nsec


cdef inline int64_t monotonic_ns() noexcept nogil:
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    return <int64_t>at.tv_sec * NS_PER_S + at.tv_nsec


cdef inline int wait_for_events(int epoll_fd, epoll_event* events, int n_events, int64_t timeout_ns) noexcept nogil:
    """epoll_pwait2, to the nanosecond; timeout_ns < 0: for ever. Whole milliseconds, rounded down, before Linux 5.11.

    Rounded down the caller comes back early and waits again with 0: a short spin, but no token is late for it.
    """
    cdef timespec left
    cdef long n_ready
    if timeout_ns < 0:
        return epoll_wait(epoll_fd, events, n_events, -1)
    if timeout_ns == 0:
        return epoll_wait(epoll_fd, events, n_events, 0)
    left.tv_sec = timeout_ns // NS_PER_S
    left.tv_nsec = timeout_ns % NS_PER_S
    n_ready = syscall(SYS_epoll_pwait2, epoll_fd, events, n_events, &left, NULL, 0)
    if n_ready < 0 and (errno == ENOSYS or errno == EPERM):
        return epoll_wait(epoll_fd, events, n_events, <int>(timeout_ns // 1_000_000))
    return <int>n_ready
