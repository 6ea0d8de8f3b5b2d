"""Values as loadgen writes them, made here bit by bit: the tests' own idea of a stamp."""


def crc32c(register: int, content: bytes) -> int:
    """CRC-32C without its final complement, one bit at a time. Source: RFC 3720 B.4."""
    for byte in content:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    return register


START = 0xFFFFFFFF


def stamped(key: int, version: int, *, tag: bytes = b"00000000", filler: bytes = b"some filler ") -> bytes:
    """A whole value."""
    told = filler + tag + b"%012d%010d" % (key, version)
    return told + b"%08x" % (crc32c(START, told) ^ START)
