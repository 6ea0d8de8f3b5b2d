"""What is compared are the same made-up runs that the report's unit tests use."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
