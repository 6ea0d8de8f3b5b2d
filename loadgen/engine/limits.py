"""What the host allows this process."""

import resource

from loadgen.errors import EngineError

SPARE_DESCRIPTORS = 128
"""For Python, files, libraries, the simulator's pipes."""


def raise_descriptor_limit(n_connections: int) -> None:
    """Make room for so many sockets. Raises EngineError where the hard limit is lower."""
    n_needed = n_connections + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= n_needed:
        return
    if hard != resource.RLIM_INFINITY and hard < n_needed:
        raise EngineError(
            f"{n_connections} connections need {n_needed} file descriptors, and this host allows {hard}: "
            "raise it (ulimit -Hn) or ask for fewer connections"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (n_needed, hard))
