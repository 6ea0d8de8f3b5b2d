"""What was run: the part of a run's page that another person needs to run it again."""

from collections.abc import Mapping
from typing import Any

from loadgen.report.facts import Facts
from loadgen.report.numbers import UNKNOWN, is_known, seconds
from loadgen.report.words import cell, left_table, status_of

SHORT_HASH = 12


def what_was_run(facts: Facts) -> list[str]:
    """Recipe, service, load, host and commit, as a section of the page."""
    run = facts.run
    client = (run.get("clients") or [{}])[0]
    environment = run.get("environment") or {}
    rows = [
        ("Recipe", _recipe(facts)),
        *(row for part in facts.parts for row in _of_service(part)),
        ("Part of a sweep", _sweep(facts)),
        ("Runs again", str(run.get("rerun_of") or UNKNOWN)),
        ("Began", str(run.get("created_at") or UNKNOWN)),
        ("Ended", str(run.get("ended_at") or UNKNOWN)),
        ("Status", status_of(facts.status)),
        ("Host", _host(client, environment)),
        (
            "Client",
            f"loadgen {environment.get('loadgen_version', UNKNOWN)}, {client.get('engine') or 'unknown'} engine",
        ),
        ("Commit", commit_of(run)),
    ]
    known = [row for row in rows if row[1] != UNKNOWN]
    return ["## What was run", "", *left_table(("what", "value"), known), *_notes(run)]


def _of_service(facts: Facts) -> list[tuple[str, str]]:
    whose = f" {facts.service_name}" if facts.service_name else ""
    return [
        (f"Service{whose}", f"{facts.service} at {facts.service_url}"),
        (f"Load{whose}", f"{facts.load}, {load_text(facts)}"),
        (f"Plan{whose}", _plan(facts)),
    ]


def _recipe(facts: Facts) -> str:
    seed = facts.recipe.get("seed", UNKNOWN)
    return f"{facts.name}, hash {_short(facts.run.get('recipe_hash'))}, seed {seed}"


def _plan(facts: Facts) -> str:
    plan = facts.run.get("plan") or {}
    dataset = (plan.get("dataset") or {}).get("name")
    contents = f", {'prompts' if facts.has_tokens else 'data'}: {dataset}" if dataset else ""
    return f"digest {_short(plan.get('digest'))}{contents}" if plan else UNKNOWN


def _short(digest: Any) -> str:
    return str(digest or UNKNOWN)[:SHORT_HASH]


def _sweep(facts: Facts) -> str:
    """Its place among the points, from 1; the first run of a sweep cannot name itself as the first."""
    sweep = facts.run.get("sweep") or {}
    if not sweep:
        return UNKNOWN
    number = int(sweep.get("point") or 0) + 1
    whole = sweep.get("n_points") or "a search"
    return f"point {number} of {whole}, first {sweep.get('first_id') or facts.benchmark_id}"


def load_text(facts: Facts) -> str:
    """closed loop for 60 s, after 5 s of warm-up."""
    load = facts.recipe.get("load") or {}
    loop = "open loop" if load.get("mode") == "open" else "closed loop"
    ends = [f"for {seconds(load['duration_s'])}"] if is_known(load.get("duration_s")) else []
    ends += [f"until {load['requests']:,} requests"] if is_known(load.get("requests")) else []
    warmup = f", after {seconds(load['warmup_s'])} of warm-up" if load.get("warmup_s") else ""
    return f"{loop} {' or '.join(ends)}".rstrip() + warmup


def _host(client: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    cpu = client.get("cpu_model") or environment.get("cpu")
    cpus = f"{client['n_cpus']} x {cpu}" if client.get("n_cpus") and cpu else cpu
    python = f"Python {environment['python']}" if environment.get("python") else None
    known = [client.get("hostname"), cpus, environment.get("os"), environment.get("kernel"), python]
    return ", ".join(dict.fromkeys(str(part) for part in known if part)) or UNKNOWN


def _client(client: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    version, engine = environment.get("loadgen_version"), client.get("engine")
    known = [f"loadgen {version}" if version else None, f"{engine} engine" if engine else None]
    return ", ".join(text for text in known if text) or UNKNOWN


def commit_of(run: Mapping[str, Any]) -> str:
    if not run.get("git_commit"):
        return "outside a git repository"
    return f"{_short(run['git_commit'])}{', with changes that are not committed' if run.get('git_dirty') else ''}"


def _notes(run: Mapping[str, Any]) -> list[str]:
    """What the run adapted to, and what a person must be told."""
    notes = run.get("notes") or []
    return ["", *(f"- {cell(note)}" for note in notes)] if notes else []
