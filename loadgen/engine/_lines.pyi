"""Types of the native formatter; the text is ext/lines.pyx's."""

from collections.abc import Iterable, Mapping, Sequence

def record_layout() -> dict[str, tuple[int, int]]: ...

class Lines:
    def __init__(
        self,
        fd: int,
        n_bytes: int,
        tag: bytes,
        operations: Sequence[bytes],
        expects_tokens: Iterable[bool],
        codes: Mapping[str, Sequence[bytes]],
    ) -> None: ...
    def write(self, records: memoryview, gaps_ns: memoryview) -> int: ...
    @property
    def error(self) -> int: ...
