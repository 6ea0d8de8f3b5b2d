"""Make the kept bundles of the present schema version that are not there yet: `python tests/golden/bundles/make.py`.

A bundle that is there is never made again, not even of the present version: it is what loadgen wrote then, and must
open for ever. What has been added since without a new version has bundles of its own.
"""

import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "unit" / "bundle"), str(HERE.parents[2])]

from made_runs import finished, finished_data, finished_services, finished_sure  # noqa: E402

from loadgen.bundle import SCHEMA_VERSION  # noqa: E402

KINDS = (finished, finished_data, finished_services, finished_sure)  # in the order of their ids


def main() -> None:
    folder = HERE / f"v{SCHEMA_VERSION}"
    with tempfile.TemporaryDirectory() as results:
        for bundle in [make(Path(results)) for make in KINDS]:
            if not (folder / bundle.id).exists():
                shutil.copytree(bundle.folder, folder / bundle.id)


if __name__ == "__main__":
    main()
