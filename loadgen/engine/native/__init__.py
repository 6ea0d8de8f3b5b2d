"""The native engine: loops without the GIL in threads of their own, and one thread that feeds them and empties them."""

from loadgen.engine.native.run import fire

__all__ = ["fire"]
