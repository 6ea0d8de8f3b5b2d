"""Make the kept bundle of the present schema version: `python tests/golden/bundles/make.py`.

Bundles of earlier versions are never made again: they are what loadgen wrote then, and must open for ever.
"""

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "unit" / "bundle"), str(HERE.parents[2])]

from made_runs import finished  # noqa: E402

from loadgen.bundle import SCHEMA_VERSION  # noqa: E402


def main() -> None:
    folder = HERE / f"v{SCHEMA_VERSION}"
    shutil.rmtree(folder, ignore_errors=True)
    finished(folder)


if __name__ == "__main__":
    main()
