"""A block's records, column by column: each is read from the wide records once, and lies close together afterwards."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics.streaming import pick
from loadgen.records import NEVER, RECORD_DTYPE, Block

CODES = ("outcome", "phase", "operation", "stamp", "finish_reason", "token_source", "checked")
"""One byte each, next to each other in a record: they are read together, as an integer of 8 bytes."""

_CODES_AT = RECORD_DTYPE.fields["outcome"][1] - 1  # type: ignore[index]
_PLACE = {name: RECORD_DTYPE.fields[name][1] - _CODES_AT for name in CODES}  # type: ignore[index]


_CODES_VIEW = np.dtype(
    {"names": ["bytes"], "formats": ["<u8"], "offsets": [_CODES_AT], "itemsize": RECORD_DTYPE.itemsize}
)


class Columns:
    """Some requests of a block, in its order.

    columns[name]: a field of all of them, shape (n,), read once.
    """

    def __init__(self, block: Block) -> None:
        self._block: Block | None = block
        self._of: Columns | None = None
        self._places: NDArray[np.intp] | None = None
        self._codes: NDArray[np.uint64] = block.records.view(_CODES_VIEW)["bytes"].copy()
        self._start()

    def _start(self) -> None:
        self._n = len(self._codes)
        self._kept: dict[str, NDArray[Any]] = {}
        self._ends: dict[str, tuple[int, int]] = {}
        first = self._codes[:1]
        differing = int(np.bitwise_or.reduce(self._codes ^ first)) if self._n else 0
        self._first, self._differing = first.view(np.uint8), differing.to_bytes(8, "little")

    def pick(self, places: NDArray[np.intp]) -> "Columns":
        """Some of the requests. places: rising."""
        some = object.__new__(Columns)
        some._block, some._of, some._places = None, self, places
        some._codes = self._codes[places]
        some._start()
        return some

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.derived(name, lambda root: root._read(name))

    def derived(self, name: str, make: "Callable[[Columns], NDArray[Any]]") -> NDArray[Any]:
        """What `make` makes of the whole block, one value a request; made once, of these requests then taken."""
        kept = self._kept.get(name)
        if kept is None:
            kept = make(self) if self._of is None else self._of.derived(name, make)[self._places]
            self._kept[name] = kept
        return kept

    def _read(self, name: str) -> NDArray[Any]:
        if name in _PLACE:
            return self._codes.view(np.uint8).reshape(-1, 8)[:, _PLACE[name]]
        return self.block.records[name].copy()

    @property
    def block(self) -> Block:
        """The requests as they came, with their gaps."""
        if self._block is None:
            assert self._of is not None
            chosen = np.zeros(len(self._of), np.bool_)
            chosen[self._places] = True
            self._block = pick(self._of.block, chosen)
        return self._block

    def ends(self, name: str) -> tuple[int, int]:
        """The smallest and the largest value of a column; NEVER of no requests."""
        if name not in self._ends:
            column = self[name]
            self._ends[name] = (int(column.min()), int(column.max())) if self._n else (NEVER, NEVER)
        return self._ends[name]

    def is_whole(self, name: str) -> bool:
        """Whether no request lacks it."""
        if self._of is not None and self._of.is_whole(name):
            return True
        return self.ends(name)[0] > NEVER

    def only(self, code: str) -> int | None:
        """The value of one of CODES where all requests have the same; else None."""
        place = _PLACE[code]
        return int(self._first[place]) if self._n and not self._differing[place] else None

    def where(self, code: str, value: int) -> "Columns":
        """Those with a value of one of CODES; itself where all have it."""
        same = self.only(code)
        if same == value:
            return self
        return self.pick(np.flatnonzero(self[code] == value) if same is None else np.zeros(0, np.intp))

    def count(self, code: str, value: int) -> int:
        """How many have a value of one of CODES."""
        same = self.only(code)
        if same is None:
            return int(np.count_nonzero(self[code] == value))
        return self._n if same == value else 0

    @cached_property
    def has_tokens(self) -> bool:
        """Whether any request generated something, or has a count of tokens."""
        if not self._n or (self._of is not None and not self._of.has_tokens):
            return False
        return self.only("token_source") != 0 or any(
            int(self[name].max()) > NEVER for name in ("first_token_at_ns", "prompt_tokens")
        )
