"""The kept reports are of the same made-up runs that the report's unit tests use."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "report"))
