"""Opening a bundle, whole or left behind by a run that was killed."""

from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from loadgen.bundle.layout import (
    BENCHMARK_ID,
    MONITOR_FOLDER,
    REQUESTS_FILE,
    RUN_FILE,
    SCHEMA_VERSION,
    SUMMARY_FILE,
    KeptOperation,
)
from loadgen.bundle.monitor import Sample, iter_samples
from loadgen.bundle.parse import parse_lines
from loadgen.errors import RecipeError
from loadgen.records import Block

_MOST_FAULTS_NAMED = 20


class Bundle:
    """A bundle on the disk. Its files are read when they are asked for.

    run: run.json. problems: what was found wrong so far, a line each; blocks() adds lines that cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = _load_run(folder)
        self.id = str(self.run.get("benchmark_id", folder.name))
        self._faults: dict[int, str] = {}
        self._summary_fault: str | None = None

    @property
    def status(self) -> str:
        """running (or killed before it could say otherwise), complete, interrupted or failed."""
        return str(self.run.get("status"))

    @cached_property
    def summary(self) -> dict[str, Any] | None:
        """summary.json; None where the run did not come to write it."""
        try:
            return _load_json(self.folder / SUMMARY_FILE)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self._summary_fault = f"{SUMMARY_FILE}: cannot be read: {error}"
            return None

    @property
    def requests_path(self) -> Path:
        return self.folder / REQUESTS_FILE

    def samples(self, name: str) -> Iterator[Sample]:
        """What was watched beside the load: "host", "gpu", "server" or "client", look after look.

        Nothing where it was not watched. Lines that cannot be read are left out.
        """
        return iter_samples(self.folder / MONITOR_FOLDER / f"{name}.jsonl")

    @cached_property
    def server_samples(self) -> tuple[Sample, ...]:
        """What the servers said of themselves during the run, in order; lines that cannot be read are left out."""
        return tuple(self.samples("server"))

    @property
    def problems(self) -> list[str]:
        faults = [
            f"{REQUESTS_FILE}:{number}: {fault}" for number, fault in islice(self._faults.items(), _MOST_FAULTS_NAMED)
        ]
        if len(self._faults) > _MOST_FAULTS_NAMED:
            faults.append(f"{REQUESTS_FILE}: and {len(self._faults) - _MOST_FAULTS_NAMED} more lines")
        return ([self._summary_fault] if self._summary_fault else []) + faults

    @cached_property
    def operations(self) -> tuple[KeptOperation, ...]:
        """The run's operations in its plan's order; from the lines themselves where run.json does not list them."""
        return _listed_operations(self.run.get("plan")) or _operations_of_lines(self.requests_path)

    def blocks(self, n: int = 4096) -> Iterator[Block]:
        """All requests as records, n lines at a time. Lines that cannot be read are left out and said in `problems`."""
        n_read = 0
        for lines in line_batches(self.requests_path, n):
            block, faults = parse_lines(lines, self.operations)
            for place, fault in faults.items():
                is_cut = not lines[place].endswith(b"\n")
                self._faults[n_read + place + 1] = (
                    "the last line is cut: the run was killed while it wrote it" if is_cut else fault
                )
            n_read += len(lines)
            if len(block.records):
                yield block


def open_bundle(which: str | Path, results: Path) -> Bundle:
    """Open a bundle by its benchmark id, its folder, or `latest`.

    results: where ids are looked for. Raises RecipeError where there is none, or where a newer loadgen wrote it.
    """
    if str(which) == "latest":
        kept = list_ids(results)
        if not kept:
            raise RecipeError(f"latest: no runs in {results}")
        return Bundle(results / kept[-1])
    if BENCHMARK_ID.fullmatch(str(which)) and (results / which).is_dir():
        return Bundle(results / which)
    if Path(which).is_dir():
        return Bundle(Path(which).resolve())
    raise RecipeError(f"{which}: no such run in {results}, and no such folder")


def list_ids(results: Path) -> list[str]:
    """Ids of the bundles in a results folder, oldest first."""
    if not results.is_dir():
        return []
    matches = [BENCHMARK_ID.fullmatch(path.name) for path in results.iterdir() if (path / RUN_FILE).is_file()]
    return [match[0] for match in sorted(filter(None, matches), key=lambda match: (match[1], int(match[2])))]


def line_batches(path: Path, n: int) -> Iterator[list[bytes]]:
    """The lines of a file, n at a time, with their ends. Nothing where there is no file."""
    if not path.exists():
        return
    with path.open("rb") as file:
        while lines := list(islice(file, n)):
            yield lines


def _load_run(folder: Path) -> dict[str, Any]:
    try:
        run = _load_json(folder / RUN_FILE)
    except FileNotFoundError:
        raise RecipeError(f"{folder}: not a bundle: it has no {RUN_FILE}") from None
    except (OSError, ValueError) as error:
        raise RecipeError(f"{folder / RUN_FILE}: cannot be read: {error}") from error
    version = run.get("schema_version")
    if not isinstance(version, int) or version < 1:
        raise RecipeError(f"{folder / RUN_FILE}: schema_version: must be 1 to {SCHEMA_VERSION}, got {version!r}")
    if version > SCHEMA_VERSION:
        raise RecipeError(
            f"{folder}: written by a newer loadgen: schema version {version}, this one reads up to {SCHEMA_VERSION}"
        )
    return run


def _load_json(path: Path) -> dict[str, Any]:
    content = orjson.loads(path.read_bytes())
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    return content


def _listed_operations(plan: Any) -> tuple[KeptOperation, ...]:
    """As run.json lists them; none where it does not, or not so that they can be read."""
    listed = plan.get("operations") if isinstance(plan, dict) else None
    if not isinstance(listed, list) or not all(map(is_operation, listed)):
        return ()
    names = KeptOperation._fields
    return tuple(KeptOperation(**{name: entry[name] for name in names if name in entry}) for entry in listed)


def is_operation(entry: Any) -> bool:
    """Whether it is an entry of run.json's plan.operations."""
    kinds = {"name": str, "expects_tokens": bool, "service": str, "top_k": int}
    return (
        isinstance(entry, dict)
        and {"name", "expects_tokens"} <= entry.keys()
        and all(isinstance(entry[name], kind) for name, kind in kinds.items() if name in entry)
    )


def _operations_of_lines(path: Path) -> tuple[KeptOperation, ...]:
    """Those of a service together, as records number them. How many neighbours were asked for, lines do not say."""
    found: dict[tuple[str, str], bool] = {}
    for lines in line_batches(path, 4096):
        for raw in lines:
            try:
                line = orjson.loads(raw)
                key = (line.get("service", ""), line["operation"])
                found[key] = found.get(key, False) or "n_events" in line
            except (ValueError, KeyError, TypeError):
                continue  # blocks() says it
    services = list(dict.fromkeys(service for service, _ in found))
    ordered = sorted(found, key=lambda key: services.index(key[0]))
    return tuple(KeptOperation(name, found[service, name], service) for service, name in ordered)
