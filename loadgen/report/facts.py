"""One run as its reports need it: identity, figures and limits, whatever of them the bundle still has."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from loadgen.metrics.recalculate import recalculate
from loadgen.monitor.courses import Course, courses_of
from loadgen.monitor.summary import watched_figures
from loadgen.report.numbers import is_known
from loadgen.report.slos import Limit, limits_of
from loadgen.report.words import load_of, without_secrets

if TYPE_CHECKING:
    from loadgen.bundle.monitor import Sample
    from loadgen.bundle.read import Bundle
    from loadgen.metrics.tallies import Tallies

_PLURALS = {"service": "services", "workload": "workloads", "load": "loads"}

COMPLETE, INTERRUPTED, FAILED, RUNNING = "complete", "interrupted", "failed", "running"


@dataclass(frozen=True)
class Facts:
    """run: run.json. summary: summary.json, or what was counted anew where a killed run left none.

    service_name: of a part of a run of several services, which one it is.
    """

    benchmark_id: str
    run: Mapping[str, Any]
    summary: Mapping[str, Any]
    recounted: bool = False
    problems: tuple[str, ...] = ()  # what of the bundle could not be read, a line each
    samples: tuple["Sample", ...] = ()  # what the servers said of themselves
    watched: tuple[Course, ...] = ()  # what was watched beside the load, over time
    service_name: str = ""

    @property
    def parts(self) -> "list[Facts]":
        """Each of several services as a run of its own; itself where there is one."""
        services = self.summary.get("services")
        return [self] if services is None else [self.part(name) for name in services]

    def part(self, name: str) -> "Facts":
        """One of several services; itself where there is one."""
        if "services" not in self.summary:
            return self
        run = {**self.run, "service": _of_part(self.run.get("service"), "services", name)}
        run["plan"] = {**(self.run.get("plan") or {}), **_of_part(self.run.get("plan"), "services", name)}
        kept = {key: value for key, value in self.recipe.items() if key not in _PLURALS.values()}
        for singular, plural in _PLURALS.items():
            kept[singular] = _of_part(self.recipe, plural, name)
        kept["slo"] = []  # those of this service are in its summary
        return replace(
            self,
            run={**run, "recipe": kept},
            summary=self.summary["services"].get(name) or {},
            samples=tuple(sample for sample in self.samples if sample.service == name),
            service_name=name,
        )

    @property
    def is_several(self) -> bool:
        return "services" in self.summary

    @property
    def recipe(self) -> Mapping[str, Any]:
        return self.run.get("recipe") or {}

    @property
    def status(self) -> str:
        return str(self.run.get("status") or RUNNING)

    @property
    def name(self) -> str:
        return str(self.recipe.get("name") or "unnamed")

    @property
    def limits(self) -> list[Limit]:
        return limits_of(self.summary, self.recipe)

    @property
    def load(self) -> str:
        return load_of(self.recipe)

    @property
    def service(self) -> str:
        """ollama 0.17.4 smollm2: what is known of it; of several, their names."""
        if self.is_several:
            return " and ".join(f"{part.service_name} ({part.service})" for part in self.parts)
        asked, found = self.recipe.get("service") or {}, self.run.get("service") or {}
        known = [found.get(key) or asked.get(key) for key in ("kind", "version", "model")]
        return " ".join(dict.fromkeys(str(value) for value in known if value)) or "unknown service"

    @property
    def kind(self) -> str:
        """redis, ollama, …; several."""
        return str((self.run.get("service") or {}).get("kind") or (self.recipe.get("service") or {}).get("kind") or "")

    @property
    def service_url(self) -> str:
        return without_secrets(
            (self.run.get("service") or {}).get("url") or (self.recipe.get("service") or {}).get("url")
        )

    @property
    def requests(self) -> Mapping[str, Any]:
        return self.summary.get("requests") or {}

    @property
    def n_succeeded(self) -> int:
        return int(self.requests.get("succeeded") or 0)

    @property
    def n_finished(self) -> int:
        return int(self.requests.get("finished") or 0)

    @property
    def n_failed(self) -> int:
        return int(self.requests.get("failed") or 0)

    @property
    def n_checked(self) -> int:
        """Answers, and what was looked at after the run, that were held against what is right."""
        return int(self.summary.get("checked") or 0)

    @property
    def n_wrong(self) -> int:
        return int(self.summary.get("wrong") or 0)

    @property
    def n_wrong_outside(self) -> int:
        """Wrong answers of the warm-up and the drain, which count in no figure."""
        return int(self.summary.get("wrong_outside_window") or 0)

    @property
    def by_operation(self) -> Mapping[str, Mapping[str, Any]]:
        return self.summary.get("by_operation") or {}

    @property
    def has_tokens(self) -> bool:
        return bool(self.summary.get("total_output_tokens")) or self.metric("ttft") is not None

    @property
    def window_s(self) -> tuple[float, float] | None:
        window = self.summary.get("window") or {}
        low, high = window.get("from_ns"), window.get("to_ns")
        return (low / 1e9, high / 1e9) if is_known(low) and is_known(high) and high > low else None

    @property
    def clients(self) -> int | None:
        """How many clients a closed loop had."""
        load = self.recipe.get("load") or {}
        n = load.get("concurrency")
        return int(n) if load.get("mode") != "open" and is_known(n) and not self.is_several else None

    @property
    def pipeline(self) -> int:
        """How many requests each client sends at once."""
        n = (self.recipe.get("workload") or {}).get("pipeline")
        return int(n) if is_known(n) else 1

    def metric(self, name: str) -> Mapping[str, Any] | None:
        return metric_of(self.summary, name)


def metric_of(figures: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """A metric of a summary or of one of its operations; None where it has no sample."""
    metric = (figures.get("metrics") or {}).get(name)
    return metric if metric and metric.get("n") else None


def _of_part(whole: Any, key: str, name: str) -> dict[str, Any]:
    """whole[key][name], or nothing."""
    return dict(((whole or {}).get(key) or {}).get(name) or {})


def facts_of(bundle: "Bundle") -> Facts:
    """Read a bundle. Where it has no summary (a killed run) the figures are counted anew from its requests."""
    return _facts(bundle, None if bundle.summary is not None else recalculate(bundle)[1])


def facts_and_tallies(bundle: "Bundle", tallies: "Tallies | None") -> "tuple[Facts, Tallies]":
    """As facts_of, with the servers' samples and what the pictures are drawn from.

    tallies: those of the run, to save reading its requests again.
    """
    counted = None
    if tallies is None:
        tallies, counted = recalculate(bundle)
    watched = tuple(courses_of(bundle.samples))
    return replace(_facts(bundle, counted), samples=bundle.server_samples, watched=watched), tallies


def _facts(bundle: "Bundle", counted: Mapping[str, Any] | None) -> Facts:
    problems = tuple(bundle.problems)
    if bundle.summary is not None:
        return Facts(bundle.id, bundle.run, bundle.summary, problems=problems)
    figures = {**(counted or {}), **watched_figures(counted or {}, bundle.run, bundle.samples)}
    return Facts(bundle.id, bundle.run, figures, recounted=True, problems=problems)
