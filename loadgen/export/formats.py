"""The formats there are: what each is called, where it goes, and what writes it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from loadgen.bundle import open_bundle
from loadgen.bundle.damage import blamed_on
from loadgen.errors import EngineError, RecipeError
from loadgen.export.aiperf import RECORDS_FILE, SUMMARY_FILE, aiperf_records, aiperf_summary
from loadgen.export.chosen import Chosen, choose, only_generating
from loadgen.export.csv_rows import write_csv
from loadgen.export.guidellm import guidellm_report
from loadgen.export.hdr import write_hdr
from loadgen.export.loaded import loaded
from loadgen.export.parquet import write_parquet
from loadgen.export.table import table_of
from loadgen.export.vllm import vllm_result


class Format(NamedTuple):
    """suffix: of the file, or of the folder where a format has several. write: returns the files written.

    is_of_models: of a tool for language models, which knows one service and only requests that generate.
    """

    suffix: str
    write: Callable[[Chosen, Path], list[Path]]
    is_of_models: bool = False


class Exported(NamedTuple):
    """files: what was written. left_out: what is not in them, a line each. problems: what could not be read."""

    files: list[Path]
    left_out: tuple[str, ...]
    problems: tuple[str, ...]


def export(
    which: str | Path,
    format: str,
    out: str | Path | None = None,
    *,
    results: str | Path = "results",
    include_warmup: bool = False,
    service: str | None = None,
) -> Exported:
    """Write a finished run in another tool's shape.

    which: as open_bundle() takes it. format: one of FORMATS. out: the file, or the folder where a format has several;
    None: in the working directory, named after the run.

    Raises RecipeError for a run, format or service that is not there and for a bundle that is damaged beyond reading,
    EngineError where a package is not installed or nothing can be written.
    """
    if format not in FORMATS:
        raise RecipeError(f"--format {format}: must be one of {', '.join(FORMATS)}")
    bundle = open_bundle(which, Path(results))
    path = Path(out) if out is not None else Path(f"{bundle.id}{FORMATS[format].suffix}")
    with blamed_on(bundle):
        chosen = choose(loaded(bundle), include_warmup=include_warmup, service=service)
        if FORMATS[format].is_of_models:
            chosen = only_generating(chosen)
        try:
            files = FORMATS[format].write(chosen, path)
        except OSError as error:
            raise EngineError(f"{path}: cannot be written: {error.strerror}") from error
    return Exported(files, chosen.left_out, chosen.run.problems)


def _json(make: Callable[[Chosen], dict[str, Any]]) -> Callable[[Chosen, Path], list[Path]]:
    def write(chosen: Chosen, path: Path) -> list[Path]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(make(chosen), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        return [path]

    return write


def _aiperf(chosen: Chosen, folder: Path) -> list[Path]:
    summary, records = folder / SUMMARY_FILE, folder / RECORDS_FILE
    _json(aiperf_summary)(chosen, summary)
    with records.open("wb") as file:
        file.writelines(aiperf_records(chosen))
    return [summary, records]


def _csv(chosen: Chosen, path: Path) -> list[Path]:
    run = chosen.run
    path.parent.mkdir(parents=True, exist_ok=True)
    write_csv(table_of(run.id, run.operations, chosen.every), path)
    return [path]


def _parquet(chosen: Chosen, path: Path) -> list[Path]:
    run = chosen.run
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"benchmark_id": run.id, "recipe": orjson.dumps(run.recipe).decode()}
    write_parquet(table_of(run.id, run.operations, chosen.every), chosen.every, path, metadata)
    return [path]


FORMATS = {
    "vllm": Format(".vllm.json", _json(vllm_result), is_of_models=True),
    "aiperf": Format(".aiperf", _aiperf, is_of_models=True),
    "guidellm": Format(".guidellm.json", _json(guidellm_report), is_of_models=True),
    "csv": Format(".csv", _csv),
    "parquet": Format(".parquet", _parquet),
    "hdr": Format(".hdr", write_hdr),
}
