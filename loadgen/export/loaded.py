"""A finished run in memory, for notebooks and for exports: its files as objects, its requests as one array."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from loadgen.bundle import Bundle, open_bundle
from loadgen.bundle.damage import blamed_on
from loadgen.bundle.layout import MONITOR_FOLDER, KeptOperation
from loadgen.bundle.monitor import Sample, read_samples
from loadgen.metrics.streaming import first_gaps
from loadgen.records import RECORD_DTYPE, Block

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class LoadedBundle:
    """A run as its folder has it. docs/bundle.md says what each key means.

    status: running (or killed before it could say otherwise), complete, interrupted or failed.
    summary: None where the run did not come to write it.
    records: shape (n,), RECORD_DTYPE, in the order of the plan (by index); `operation` is a place in operations.
    gaps_ns: shape (records["n_gaps"].sum(),), int64; gaps between consecutive content events, request after request.
    monitor: what was watched beside the load, by the name of its file: {"server": (Sample, …)}.
    problems: what could not be read, a line each; loadgen.bundle.verify() looks further.
    """

    id: str
    folder: Path
    status: str
    run: Mapping[str, Any]
    summary: Mapping[str, Any] | None
    operations: tuple[KeptOperation, ...]
    records: NDArray[Any]
    gaps_ns: NDArray[np.int64]
    monitor: Mapping[str, tuple[Sample, ...]]
    problems: tuple[str, ...]

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The whole recipe, defaults filled in."""
        recipe: Mapping[str, Any] = self.run["recipe"]
        return recipe

    @property
    def block(self) -> Block:
        """Records and gaps, as the functions of loadgen.metrics take them."""
        return Block(self.records, self.gaps_ns)

    def itl_of(self, place: int) -> NDArray[np.int64]:
        """The gaps of records[place], ns; none of a request without tokens. Raises IndexError as a list would."""
        begin = int(self._first_gaps[place])
        return self.gaps_ns[begin : begin + int(self.records["n_gaps"][place])]

    @cached_property
    def _first_gaps(self) -> NDArray[np.int64]:
        return first_gaps(self.records)

    def to_pandas(self) -> "pandas.DataFrame":
        """One row a request, with the columns of `loadgen export --format csv` and the gaps beside them (`itl_ns`).

        Raises EngineError where pandas is not installed.
        """
        from loadgen.export.frame import frame_of

        return frame_of(self)


def load_bundle(which: str | Path, results: str | Path = "results") -> LoadedBundle:
    """Load a run by its benchmark id, its folder, or `latest`. A killed or cut run gives what there is of it.

    results: where ids are looked for. Raises RecipeError where there is none, where a newer loadgen wrote it, or where
    it is damaged beyond reading.
    """
    bundle = open_bundle(which, Path(results))
    with blamed_on(bundle):
        return loaded(bundle)


def loaded(bundle: Bundle) -> LoadedBundle:
    """The same of an open bundle."""
    records, gaps_ns = in_order_of_the_plan(all_of(bundle))
    summary = bundle.summary
    return LoadedBundle(
        id=bundle.id,
        folder=bundle.folder,
        status=bundle.status,
        run=bundle.run,
        summary=summary,
        operations=bundle.operations,
        records=records,
        gaps_ns=gaps_ns,
        monitor={path.stem: read_samples(path) for path in sorted(bundle.folder.glob(f"{MONITOR_FOLDER}/*.jsonl"))},
        problems=tuple(bundle.problems),
    )


def all_of(bundle: Bundle) -> Block:
    """All requests in the order in which they ended."""
    blocks = [Block(np.zeros(0, RECORD_DTYPE), np.zeros(0, np.int64)), *bundle.blocks()]
    records, gaps_ns = zip(*blocks, strict=True)
    return Block(np.concatenate(records), np.concatenate(gaps_ns))


def in_order_of_the_plan(block: Block) -> Block:
    """By index; what has the same index keeps its order."""
    records, gaps_ns = block
    order = np.argsort(records["index"], kind="stable")
    n_gaps = records["n_gaps"].astype(np.int64)[order]
    begins = first_gaps(records)[order]
    offsets = np.arange(len(gaps_ns)) - np.repeat(np.cumsum(n_gaps) - n_gaps, n_gaps)
    return Block(records[order], gaps_ns[np.repeat(begins, n_gaps) + offsets])
