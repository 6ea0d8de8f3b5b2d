"""A finished run in other shapes: arrays and tables in memory, other tools' files. See docs/exports.md."""

from loadgen.export.formats import FORMATS, export
from loadgen.export.loaded import LoadedBundle, load_bundle

__all__ = ["FORMATS", "LoadedBundle", "export", "load_bundle"]
