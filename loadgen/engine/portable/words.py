"""What the kernel or OpenSSL said, without what Python puts around it."""

import os
import ssl

from loadgen.records import NEVER

CLOSED_BEFORE = "closed before an answer came"
CLOSED_WITHIN = "closed in the middle of the answer"
NO_CONNECTION = "no connection within the time-out"


def words_of(reason: BaseException) -> str:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"certificate: {reason.verify_message}"
    if isinstance(reason, ssl.SSLError):
        return f"TLS: {reason.reason}"
    return os.strerror(reason.errno) if isinstance(reason, OSError) and reason.errno else str(reason)


def closed(first_byte_at_ns: int) -> str:
    """What is said of a close that nobody asked for."""
    return CLOSED_BEFORE if first_byte_at_ns == NEVER else CLOSED_WITHIN
