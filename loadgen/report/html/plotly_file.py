"""plotly.js, kept once in the folder of reports: of the package plotly (the extra html), where that is installed."""

import os
import re
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_VERSION = re.compile(r"plotly\.js v([0-9A-Za-z.+-]+)")


def keep_plotly(reports: Path) -> str | None:
    """Put plotly-<version>.min.js into `reports` unless it is there.

    Written beside and moved into place, so that two runs at once never show half a file. Returns its name; None where
    there is no plotly, or no room for it: the page has its pictures all the same.
    """
    source = _source()
    if source is None:
        return None
    version = _version(source)
    if version is None:
        return None
    name = f"plotly-{version}.min.js"
    return name if (reports / name).is_file() or _copy(source, reports / name) else None


@cache
def _source() -> Path | None:
    """plotly's own copy; nothing of the package is imported for it."""
    found = find_spec("plotly")
    for folder in (found.submodule_search_locations or ()) if found else ():
        path = Path(folder) / "package_data" / "plotly.min.js"
        if path.is_file():
            return path
    return None


@cache
def _version(source: Path) -> str | None:
    """Of plotly.js, from the first lines of the file."""
    with source.open(encoding="utf-8", errors="replace") as file:
        found = _VERSION.search(file.read(1000))
    return found[1] if found else None


def _copy(source: Path, target: Path) -> bool:
    """Whether it is there now."""
    target.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(prefix=target.name, dir=target.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(source.read_bytes())
        os.chmod(name, 0o644)
        os.replace(name, target)
    except OSError:
        os.unlink(name)
        return False
    return True
