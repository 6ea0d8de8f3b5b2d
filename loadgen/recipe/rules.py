"""What holds between fields and sections: rules over the tree as it was written, so that all mistakes show at once."""

from collections.abc import Iterator
from typing import Any

from loadgen.recipe.load import STAGED
from loadgen.recipe.secrets import MASK
from loadgen.recipe.slo import Slo
from loadgen.recipe.source import Problem, leaves
from loadgen.recipe.yaml_tree import Place

NOT_YET = "is not supported yet by this version"
"""For what the recipe's documentation promises and this version does not do: never ignored in silence."""

LATER_SECTIONS = ("search", "services", "workloads", "loads", "monitor", "cost")
LATER_SERVICES = ("redis", "postgresql", "s3", "chroma", "qdrant", "python")
LATER_REQUEST_FIELDS = ("body", "expect")

_ONLY_CLOSED = ("concurrency", "think_time_s")
_ONLY_OPEN = ("rate_per_s", "arrival", "burstiness", "stages", "connections")
_TOKEN_METRICS = ("ttft", "service_ttft", "itl", "tpot", "output_throughput")


def later_problems(tree: dict[str, Any]) -> Iterator[Problem]:
    """Documented fields and values that this version does not know yet."""
    for name in LATER_SECTIONS:
        if name in tree:
            yield Problem((name,), NOT_YET)
    if str(_field(tree, "service", "kind")) in LATER_SERVICES:
        yield Problem(("service", "kind"), f"{tree['service']['kind']} {NOT_YET}")
    if _field(tree, "load", "arrival") == "trace" or "trace" in _section(tree, "load"):
        yield Problem(("load", "arrival" if "arrival" in tree["load"] else "trace"), f"trace {NOT_YET}")
    if tree.get("order") in ("interleaved", "random"):
        yield Problem(("order",), f"{tree['order']} {NOT_YET}")
    if isinstance(tree.get("record"), dict):
        yield Problem(("record",), f"a sample {NOT_YET}")
    yield from _later_requests(_field(tree, "workload", "requests"))


def _later_requests(requests: Any) -> Iterator[Problem]:
    for i, request in enumerate(requests if isinstance(requests, list) else []):
        if not isinstance(request, dict):
            continue
        place: Place = ("workload", "requests", i)
        for name in LATER_REQUEST_FIELDS:
            if name in request:
                yield Problem((*place, name), NOT_YET)
        if request.get("method") in ("POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
            yield Problem((*place, "method"), f"{request['method']} {NOT_YET}; GET is")


def sweep_problems(tree: dict[str, Any]) -> Iterator[Problem]:
    """What says how a sweep goes, where there is none."""
    for name, usual in (("repeat", 1), ("pause_s", 0)):
        if "sweep" not in tree and tree.get(name, usual) != usual:
            yield Problem((name,), "applies to the points of a sweep only, and there is none")


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


def workload_problems(kind: str, speaks_ollama: bool, workload: dict[str, Any]) -> Iterator[Problem]:
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


def slo_problems(place: Place, slo: Slo, kind: str) -> Iterator[Problem]:
    """A promise about a figure that this service's runs do not have."""
    if slo.metric == "recall" or (kind == "http" and slo.metric in _TOKEN_METRICS):
        yield Problem(place, f"{slo.metric} is not measured with a service of kind {kind}")


def masked_problems(service: dict[str, Any]) -> Iterator[Problem]:
    """Secrets that a bundle's recipe no longer holds."""
    for place, value in leaves(service, ("service",)):
        if place[1] == "settings" or not isinstance(value, str):
            continue
        if value == MASK or (place[1] == "url" and f"//{MASK}@" in value):
            name = ".".join(str(part) for part in place)
            yield Problem(place, f"was a secret and is not kept in bundles: give it again with --set {name}=…")


def _section(tree: dict[str, Any], name: str) -> dict[str, Any]:
    section = tree.get(name)
    return section if isinstance(section, dict) else {}


def _field(tree: dict[str, Any], section: str, name: str) -> Any:
    return _section(tree, section).get(name)
