"""What holds between fields and sections: rules over the tree as it was written, so that all mistakes show at once."""

from collections.abc import Iterator
from typing import Any

from loadgen.recipe.kinds import TOKEN_METRICS, Kind
from loadgen.recipe.load import STAGED
from loadgen.recipe.secrets import MASK, is_secret_name
from loadgen.recipe.slo import Slo
from loadgen.recipe.source import Problem, leaves
from loadgen.recipe.yaml_tree import Place

NOT_YET = "is not supported yet by this version"
"""For what the recipe's documentation promises and this version does not do: never ignored in silence."""

_ONLY_CLOSED = ("concurrency", "think_time_s")
_ONLY_OPEN = ("rate_per_s", "arrival", "burstiness", "stages", "connections")
_METRICS_OF_SOME = TOKEN_METRICS | {"recall"}
"""What runs have only where their kind says so."""


def later_problems(tree: dict[str, Any]) -> Iterator[Problem]:
    """Documented fields and values that this version does not know yet."""
    if ("workloads" in tree or "loads" in tree) and "services" not in tree:
        name = "workloads" if "workloads" in tree else "loads"
        yield Problem((name,), "goes with services, several of them by name; of one it is " + name.removesuffix("s"))
    if isinstance(tree.get("record"), dict):
        yield Problem(("record",), f"a sample {NOT_YET}")


def sweep_problems(tree: dict[str, Any]) -> Iterator[Problem]:
    """What says how a sweep goes, where there is none."""
    for name, usual in (("repeat", 1), ("order", "ascending"), ("pause_s", 0)):
        has_points = "sweep" in tree or ("search" in tree and name == "pause_s")
        if not has_points and tree.get(name, usual) != usual:
            yield Problem((name,), "applies to the points of a sweep only, and there is none")


def later_load_problems(load: Any) -> Iterator[Problem]:
    """What this version does not know yet of a load."""
    if isinstance(load, dict) and (load.get("arrival") == "trace" or "trace" in load):
        yield Problem(("load", "arrival" if "arrival" in load else "trace"), f"trace {NOT_YET}")


def load_problems(load: dict[str, Any]) -> Iterator[Problem]:
    """What contradicts itself in a load."""
    if load.get("warmup_s") and load.get("warmup_requests") is not None:
        yield Problem(("load", "warmup_requests"), "give either this or warmup_s")
    mode = load.get("mode", "closed")
    if "rate_per_s" in load and "concurrency" in load:
        field = "rate_per_s" if mode == "closed" else "concurrency"
        yield Problem(
            ("load", field),
            "both rate_per_s and concurrency are given: an open load has a rate, a closed one a concurrency",
        )
        load = {name: value for name, value in load.items() if name != field}
    if mode == "closed":
        yield from _only("open", [name for name in _ONLY_OPEN if name in load])
    elif mode == "open":
        yield from _only("closed", [name for name in _ONLY_CLOSED if name in load])
        yield from _arrival_problems(load)


def _only(mode: str, names: list[str]) -> Iterator[Problem]:
    for name in names:
        yield Problem(("load", name), f"applies to mode: {mode} only")


def _arrival_problems(load: dict[str, Any]) -> Iterator[Problem]:
    arrival = load.get("arrival", "poisson")
    if arrival in STAGED:
        if "stages" not in load:
            yield Problem(
                ("load", "stages"), f"is missing: arrival {arrival} needs stages, a list of {{rate_per_s, duration_s}}"
            )
        if "rate_per_s" in load:
            yield Problem(("load", "rate_per_s"), f"does not apply to arrival {arrival}: its stages say the rate")
    elif "stages" in load:
        yield Problem(("load", "stages"), "applies to arrival: ramp or steps only")
    elif "rate_per_s" not in load:
        yield Problem(("load", "rate_per_s"), "is missing: an open load needs its requests a second")
    if "burstiness" in load and arrival != "gamma":
        yield Problem(("load", "burstiness"), "applies to arrival: gamma only")
    if arrival == "gamma" and "burstiness" not in load:
        yield Problem(("load", "burstiness"), "is missing: arrival gamma needs it")


def llm_workload_problems(kind: str, speaks_ollama: bool, workload: dict[str, Any]) -> Iterator[Problem]:
    """Operations that the service does not have, and a choice that is given twice."""
    if "operation" in workload and "operations" in workload:
        yield Problem(("workload", "operations"), "give either this or operation")
    given = workload.get("operations")
    named: list[tuple[Place, Any]] = [(("workload", "operation"), workload.get("operation"))]
    named += [(("workload", "operations", name), name) for name in (given if isinstance(given, dict) else ())]
    for place, name in named:
        if name == "generate" and not speaks_ollama:
            yield Problem(place, f"generate is Ollama's: with {kind} it is completion")
        if name == "embeddings" and kind == "simulator":
            yield Problem(place, "the simulator has no embeddings")


def has_figure(kind: Kind, slo: Slo) -> bool:
    """Whether runs of a kind of service have the figure that a promise is about."""
    return slo.metric not in _METRICS_OF_SOME or slo.metric in kind.metrics


def masked_problems(section: Any, name: str) -> Iterator[Problem]:
    """Secrets that a bundle's recipe no longer holds."""
    for place, value in leaves(section, (name,)):
        if place[1:2] == ("settings",) or not isinstance(value, str) or not _was_secret(place, value):
            continue
        field = ".".join(str(part) for part in place)
        yield Problem(place, f"was a secret and is not kept in bundles: give it again with --set {field}=…")


def _was_secret(place: Place, value: str) -> bool:
    if value == MASK:
        return place[0] == "service" or any(is_secret_name(str(part)) for part in place)
    return place[-1] in ("url", "path") and any(sign in value for sign in (f"//{MASK}@", f":{MASK}@", f"={MASK}"))
