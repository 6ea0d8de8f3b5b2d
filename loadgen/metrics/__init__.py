"""From records to figures: pure numpy, constant memory, no clock and no file."""

from loadgen.metrics.facts import KnownFacts, RunFacts, Snapshot
from loadgen.metrics.histogram import Histogram
from loadgen.metrics.series import Series
from loadgen.metrics.tallies import Tallies
from loadgen.metrics.tally import Tally

__all__ = ["Histogram", "KnownFacts", "RunFacts", "Series", "Snapshot", "Tallies", "Tally"]
