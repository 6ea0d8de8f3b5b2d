from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

class Reader:
    def __init__(self, operations: Sequence[bytes], codes: Mapping[str, Sequence[bytes]]) -> None: ...
    def read(self, lines: list[bytes], records: NDArray[Any]) -> tuple[int, bytes]: ...
