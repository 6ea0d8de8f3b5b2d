"""SO_TIMESTAMPING: the instant at which the kernel took a packet, on CLOCK_REALTIME. Declarations only."""
from linux.clock cimport timespec

cdef extern from "<linux/net_tstamp.h>" nogil:
    enum: SOF_TIMESTAMPING_RX_SOFTWARE, SOF_TIMESTAMPING_SOFTWARE

cdef extern from "<linux/errqueue.h>" nogil:
    cdef struct scm_timestamping:
        timespec[3] ts

cdef extern from "<asm/socket.h>" nogil:
    enum: SO_TIMESTAMPING

cdef extern from *:
    """
    #ifndef SCM_TIMESTAMPING
    #define SCM_TIMESTAMPING SO_TIMESTAMPING
    #endif
    """
    enum: SCM_TIMESTAMPING
