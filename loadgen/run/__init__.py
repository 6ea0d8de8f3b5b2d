"""One run, from the recipe to the bundle: the only folder that knows the whole chain."""

from loadgen.run.once import error_of, run_once
from loadgen.run.watch import Measured, Place, Watch

__all__ = ["Measured", "Place", "Watch", "error_of", "run_once"]
