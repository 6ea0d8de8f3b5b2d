"""Whether a bundle is what it says: keys, hashes, and counts that must agree."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loadgen.bundle.layout import REQUESTS_FILE, RUN_FILE, SCHEMA_VERSION, STATUSES, SUMMARY_FILE
from loadgen.bundle.read import Bundle
from loadgen.bundle.verify_lines import Counted, check_lines
from loadgen.bundle.write import files_of, sha256_of

_RUN_TYPES: dict[str, tuple[type, ...]] = {
    "schema_version": (int,),
    "benchmark_id": (str,),
    "created_at": (str,),
    "ended_at": (str, type(None)),
    "started_at_unix_ns": (int, type(None)),
    "status": (str,),
    "git_commit": (str, type(None)),
    "git_dirty": (bool, type(None)),
    "recipe_hash": (str,),
    "recipe": (dict,),
    "rerun_of": (str, type(None)),
    "sweep": (dict, type(None)),
    "target": (str,),
    "service": (dict,),
    "clients": (list,),
    "environment": (dict,),
    "plan": (dict,),
    "files": (dict,),
}
_SUMMARY_TYPES: dict[str, tuple[type, ...]] = {
    "schema_version": (int,),
    "benchmark_id": (str,),
    "requests": (dict,),
    "success_ratio": (int, float, type(None)),
    "window": (dict,),
    "request_throughput_per_s": (int, float, type(None)),
    "goodput_per_s": (int, float, type(None)),
    "metrics": (dict,),
    "by_operation": (dict,),
    "slo": (list,),
    "client": (dict,),
}
_COUNTS = ("planned", "sent", "finished", "succeeded", "failed", "cancelled", "warmup", "drain")


def verify(bundle: Bundle) -> list[str]:
    """Everything that is wrong with a bundle, a line each; empty where nothing is.

    A run that goes on, or was killed, has no hashes and no summary yet: that is said, and what there is is checked.
    """
    problems = list(_check_run(bundle))
    if bundle.status == "running":
        problems.append("the run is still going on, or was killed: it has no summary and no hashes")
    else:
        problems += _check_files(bundle)
    counted, faults = check_lines(bundle)
    problems += faults
    problems += _check_summary(bundle, counted)
    return problems


def _check_run(bundle: Bundle) -> Iterator[str]:
    run = bundle.run
    yield from _check_types(RUN_FILE, run, _RUN_TYPES)
    if run.get("status") not in STATUSES:
        yield f"{RUN_FILE}: status: must be one of {', '.join(STATUSES)}, got {run.get('status')!r}"
    if run.get("benchmark_id") != bundle.folder.name:
        yield f"{RUN_FILE}: benchmark_id: {run.get('benchmark_id')!r}, but the folder is {bundle.folder.name}"
    if isinstance(run.get("recipe"), dict) and run.get("recipe_hash") != _hash_of_recipe(run["recipe"]):
        yield f"{RUN_FILE}: recipe_hash: does not belong to the recipe that stands there"


def _hash_of_recipe(recipe: Mapping[str, Any]) -> str:
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _check_types(file: str, content: Mapping[str, Any], types: Mapping[str, tuple[type, ...]]) -> Iterator[str]:
    for key, allowed in types.items():
        if key not in content:
            yield f"{file}: {key}: missing"
        elif not _is_one_of(content[key], allowed):
            names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in allowed)
            yield f"{file}: {key}: must be {names}, got {type(content[key]).__name__}"


def _is_one_of(value: Any, allowed: tuple[type, ...]) -> bool:
    """True and False are no integers here."""
    return isinstance(value, allowed) and (not isinstance(value, bool) or bool in allowed)


def _check_files(bundle: Bundle) -> Iterator[str]:
    listed = bundle.run.get("files")
    if not isinstance(listed, dict):
        return
    present = {path.relative_to(bundle.folder).as_posix(): path for path in files_of(bundle.folder)}
    for name, facts in listed.items():
        if name not in present:
            yield f"{name}: listed in {RUN_FILE}, but not there"
        else:
            yield from _check_file(name, present[name], facts)
    yield from (f"{name}: not listed in {RUN_FILE}" for name in present if name not in listed)


def _check_file(name: str, path: Path, facts: Any) -> Iterator[str]:
    if not isinstance(facts, dict) or not {"bytes", "sha256"} <= facts.keys():
        yield f"{RUN_FILE}: files: {name}: must have bytes and sha256"
    elif path.stat().st_size != facts["bytes"]:
        yield f"{name}: has {path.stat().st_size} bytes, {RUN_FILE} says {facts['bytes']}"
    elif sha256_of(path) != facts["sha256"]:
        yield f"{name}: its SHA-256 is not the one in {RUN_FILE}"


def _check_summary(bundle: Bundle, counted: Counted) -> Iterator[str]:
    summary = bundle.summary
    if summary is None:
        if bundle.status != "running":
            yield next(iter(bundle.problems), f"{SUMMARY_FILE}: missing")
        return
    faults = [*_check_types(SUMMARY_FILE, summary, _SUMMARY_TYPES)]
    yield from faults
    if summary.get("schema_version") != SCHEMA_VERSION:
        yield f"{SUMMARY_FILE}: schema_version: must be {SCHEMA_VERSION}, got {summary.get('schema_version')!r}"
    if not faults:
        yield from _check_counts(summary, counted)


def _check_counts(summary: Mapping[str, Any], counted: Counted) -> Iterator[str]:
    """Records that the disk was too slow for are in the summary's counts but in no line, or the other way round."""
    n_lost = summary["client"].get("n_lost_records") or 0
    said = summary["requests"]
    if n_lost:
        yield f"{REQUESTS_FILE}: {n_lost} requests were lost because the disk was full or too slow"
    else:
        for key in _COUNTS:
            yield from _compare(f"requests.{key}", said.get(key), counted.requests[key])
        yield from _compare("requests.by_outcome", said.get("by_outcome"), dict(counted.by_outcome))
        for key, total in counted.totals.items():
            if key in summary:
                yield from _compare(key, summary[key] or 0, total)
    if said.get("finished") != _sum(said, "succeeded", "failed"):
        yield f"{SUMMARY_FILE}: requests.finished: is not succeeded + failed"
    if said.get("planned") != _sum(said, "finished", "cancelled"):
        yield f"{SUMMARY_FILE}: requests.planned: is not finished + cancelled"


def _compare(key: str, said: Any, counted: Any) -> Iterator[str]:
    if said != counted:
        yield f"{SUMMARY_FILE}: {key}: {said}, but {REQUESTS_FILE} has {counted}"


def _sum(counts: Mapping[str, Any], *keys: str) -> int | None:
    values = [value for key in keys if isinstance(value := counts.get(key), int)]
    return sum(values) if len(values) == len(keys) else None
