"""Whether a bundle is what it says: keys, hashes, and counts that must agree."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from loadgen.bundle.layout import (
    MONITOR_FOLDER,
    REQUESTS_FILE,
    RUN_FILE,
    SCHEMA_VERSION,
    STATUSES,
    SUMMARY_FILE,
)
from loadgen.bundle.line_checks import changed_lines
from loadgen.bundle.monitor import WATCHED, parse_sample
from loadgen.bundle.read import Bundle, is_operation, line_batches
from loadgen.bundle.verify_lines import Checked, Counted, check_lines
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
_OF_A_SERVICE = {
    key: kinds for key, kinds in _SUMMARY_TYPES.items() if key not in ("schema_version", "benchmark_id", "client")
}
_OF_SEVERAL: dict[str, tuple[type, ...]] = {
    **{key: _SUMMARY_TYPES[key] for key in ("schema_version", "benchmark_id", "requests", "success_ratio")},
    "services": (dict,),
    "slo": (list,),
    "findings": (list,),
    "client": (dict,),
}
STILL_RUNNING = "the run is still going on, or was killed: it has no summary and no hashes"
_MOST_MISSING_NAMED = 5
_MOST_CHANGED_NAMED = 10
_OTHER_CODES = "other"
_COUNTS = ("planned", "sent", "finished", "succeeded", "failed", "cancelled", "warmup", "drain")


def verify(bundle: Bundle) -> list[str]:
    """Everything that is wrong with a bundle, a line each; empty where nothing is.

    A run that goes on, or was killed, has no hashes and no summary yet: that is said, and what there is is checked.
    """
    problems = list(_check_run(bundle))
    if bundle.status == "running":
        problems.append(STILL_RUNNING)
    else:
        problems += _check_files(bundle)
    lines = check_lines(bundle)
    problems += lines.faults
    try:
        problems += [*_check_summary(bundle, lines)]
    except (AttributeError, KeyError, TypeError) as error:  # some value deep inside is of another kind
        problems.append(f"{SUMMARY_FILE}: not as loadgen writes it: {type(error).__name__}: {error}")
    problems += (problem for name in WATCHED for problem in _check_samples(bundle, f"{name}.jsonl"))
    return problems


def _check_run(bundle: Bundle) -> Iterator[str]:
    run = bundle.run
    yield from _check_types(RUN_FILE, run, _RUN_TYPES)
    if run.get("status") not in STATUSES:
        yield f"{RUN_FILE}: status: must be one of {', '.join(STATUSES)}, got {run.get('status')!r}"
    if run.get("benchmark_id") != bundle.folder.name:
        yield f"{RUN_FILE}: benchmark_id: {run.get('benchmark_id')!r}, but the folder is {bundle.folder.name}"
    for key in ("created_at", "ended_at"):
        if isinstance(run.get(key), str) and not _is_instant(run[key]):
            yield f"{RUN_FILE}: {key}: must be an instant in ISO 8601, got {run[key]!r}"
    if isinstance(run.get("clients"), list) and not all(isinstance(client, dict) for client in run["clients"]):
        yield f"{RUN_FILE}: clients: must be a list of objects"
    operations = run["plan"].get("operations", ()) if isinstance(run.get("plan"), dict) else ()
    if not isinstance(operations, list | tuple) or not all(map(is_operation, operations)):
        yield f"{RUN_FILE}: plan.operations: must be a list of {{name, expects_tokens, …}}"
    if isinstance(run.get("recipe"), dict) and run.get("recipe_hash") != _hash_of_recipe(run["recipe"]):
        yield f"{RUN_FILE}: recipe_hash: does not belong to the recipe that stands there"


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


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
        return
    if path.stat().st_size != facts["bytes"]:
        yield f"{name}: has {path.stat().st_size} bytes, {RUN_FILE} says {facts['bytes']}"
    elif sha256_of(path) != facts["sha256"]:
        yield f"{name}: its SHA-256 is not the one in {RUN_FILE}"
    else:
        return
    where = [*islice(changed_lines(path, facts.get("lines")), _MOST_CHANGED_NAMED + 1)]
    if where:
        more = " and more" if len(where) > _MOST_CHANGED_NAMED else ""
        yield f"{name}: not as it was written: {', '.join(where[:_MOST_CHANGED_NAMED])}{more}"


def _check_summary(bundle: Bundle, lines: Checked) -> Iterator[str]:
    summary = bundle.summary
    if summary is None:
        if bundle.status != "running":
            yield next(iter(bundle.problems), f"{SUMMARY_FILE}: missing")
        return
    faults = [*_check_keys(summary)]
    yield from faults
    if summary.get("schema_version") != SCHEMA_VERSION:
        yield f"{SUMMARY_FILE}: schema_version: must be {SCHEMA_VERSION}, got {summary.get('schema_version')!r}"
    if faults:
        return
    n_lost = summary["client"].get("n_lost_records") or 0
    if n_lost:  # they are in the summary's counts but in no line, or the other way round
        yield f"{REQUESTS_FILE}: {n_lost} requests were lost because the disk was full or too slow"
    for where, said, counted in _counted_parts(summary, lines.counted):
        if not n_lost:
            yield from _check_counts(where, said, counted)
        yield from _check_sums(where, said["requests"])
    if not n_lost:
        yield from _missing_lines(summary["requests"], lines)


def _missing_lines(said: Mapping[str, Any], lines: Checked) -> Iterator[str]:
    """Requests that the summary counted and no line has: where they would stand in the plan, as far as that shows."""
    n_lines = Counted.together(lines.counted.values()).n_requests
    n_missing = (_sum(said, "planned", "warmup", "drain") or 0) - n_lines
    if n_missing <= 0:
        return
    between = np.diff(lines.indexes) > 1
    first_missing = (lines.indexes[:-1][between] + 1)[:_MOST_MISSING_NAMED].tolist()
    where = f"none has index {', '.join(map(str, first_missing))}" if first_missing else "after the last index"
    yield f"{REQUESTS_FILE}: {n_missing} {'line is' if n_missing == 1 else 'lines are'} missing: {where}"


def _check_keys(summary: Mapping[str, Any]) -> Iterator[str]:
    if "services" not in summary:
        yield from _check_types(SUMMARY_FILE, summary, _SUMMARY_TYPES)
        return
    yield from _check_types(SUMMARY_FILE, summary, _OF_SEVERAL)
    for name, service in summary["services"].items() if isinstance(summary["services"], dict) else ():
        if isinstance(service, dict):
            yield from _check_types(f"{SUMMARY_FILE}: services.{name}", service, _OF_A_SERVICE)
        else:
            yield f"{SUMMARY_FILE}: services.{name}: must be dict, got {type(service).__name__}"


def _counted_parts(
    summary: Mapping[str, Any], counted: Mapping[str, Counted]
) -> Iterator[tuple[str, Mapping[str, Any], Counted]]:
    """The whole and each service: how its keys begin, what the summary says, and what the lines say."""
    yield "", summary, Counted.together(counted.values())
    for name, service in summary.get("services", {}).items():
        yield f"services.{name}.", service, counted.get(name, Counted())


def _check_counts(where: str, said: Mapping[str, Any], counted: Counted) -> Iterator[str]:
    requests = said["requests"]
    for key in _COUNTS:
        yield from _compare(f"{where}requests.{key}", requests.get(key), counted.requests[key])
    yield from _compare(f"{where}requests.by_outcome", requests.get("by_outcome"), dict(counted.by_outcome))
    yield from _check_codes(where, requests.get("by_error_code", {}), counted)
    for key, total in counted.totals.items():
        if key in said:
            yield from _compare(f"{where}{key}", said[key] or 0, total)
    yield from _check_checks(where, said, counted)


def _check_codes(where: str, said: Mapping[str, int], counted: Counted) -> Iterator[str]:
    """Of very many different codes the summary counts the later ones together."""
    if _OTHER_CODES in said:
        yield from _compare(f"{where}requests.by_error_code", sum(said.values()), counted.by_error_code.total())
    else:
        yield from _compare(f"{where}requests.by_error_code", said, dict(counted.by_error_code))


def _check_checks(where: str, said: Mapping[str, Any], counted: Counted) -> Iterator[str]:
    """Answers that were checked, and what was looked at after the run."""
    for key, n_answers in (("checked", counted.n_checked), ("wrong", counted.n_wrong)):
        n_found = sum(finding.get(key, 0) for finding in said.get("findings", ()))
        if said.get(key, 0) != n_answers + n_found:
            findings = f" and the findings {n_found}" if n_found else ""
            yield f"{SUMMARY_FILE}: {where}{key}: {said.get(key, 0)}, but {REQUESTS_FILE} has {n_answers}{findings}"


def _check_sums(where: str, said: Mapping[str, Any]) -> Iterator[str]:
    if said.get("finished") != _sum(said, "succeeded", "failed"):
        yield f"{SUMMARY_FILE}: {where}requests.finished: is not succeeded + failed"
    if said.get("planned") != _sum(said, "finished", "cancelled"):
        yield f"{SUMMARY_FILE}: {where}requests.planned: is not finished + cancelled"


def _check_samples(bundle: Bundle, file: str) -> Iterator[str]:
    """What was watched beside the load: each line readable, instants never falling."""
    lines = chain.from_iterable(line_batches(bundle.folder / MONITOR_FOLDER / file, 4096))
    latest_ns: dict[str, int] = {}
    for number, raw in enumerate(lines, 1):
        where = f"{MONITOR_FOLDER}/{file}:{number}"
        try:
            sample = parse_sample(raw)
        except ValueError as error:
            yield f"{where}: {error}"
            continue
        if sample.at_ns < latest_ns.get(sample.service, 0):
            yield f"{where}: at_ns: before that of the line before"
        latest_ns[sample.service] = sample.at_ns


def _compare(key: str, said: Any, counted: Any) -> Iterator[str]:
    if said != counted:
        yield f"{SUMMARY_FILE}: {key}: {said}, but {REQUESTS_FILE} has {counted}"


def _sum(counts: Mapping[str, Any], *keys: str) -> int | None:
    values = [value for key in keys if isinstance(value := counts.get(key), int)]
    return sum(values) if len(values) == len(keys) else None
