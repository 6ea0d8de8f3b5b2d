"""From records to figures: pure numpy, constant memory, no clock and no file."""

from loadgen.metrics.histogram import Histogram
from loadgen.metrics.series import Series
from loadgen.metrics.tally import KnownFacts, RunFacts, Snapshot, Tally

__all__ = ["Histogram", "KnownFacts", "RunFacts", "Series", "Snapshot", "Tally"]
