"""One run as its reports need it: identity, figures and limits, whatever of them the bundle still has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadgen.metrics.recalculate import recalculate
from loadgen.report.numbers import is_known
from loadgen.report.slos import Limit, limits_of
from loadgen.report.words import load_of, without_secrets

if TYPE_CHECKING:
    from loadgen.bundle.read import Bundle
    from loadgen.metrics.tally import Tally

COMPLETE, INTERRUPTED, FAILED, RUNNING = "complete", "interrupted", "failed", "running"


@dataclass(frozen=True)
class Facts:
    """run: run.json. summary: summary.json, or what was counted anew where a killed run left none."""

    benchmark_id: str
    run: Mapping[str, Any]
    summary: Mapping[str, Any]
    recounted: bool = False
    problems: tuple[str, ...] = ()  # what of the bundle could not be read, a line each

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
        """ollama 0.17.4 smollm2: what is known of it."""
        asked, found = self.recipe.get("service") or {}, self.run.get("service") or {}
        known = [found.get(key) or asked.get(key) for key in ("kind", "version", "model")]
        return " ".join(dict.fromkeys(str(value) for value in known if value)) or "unknown service"

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
        return int(n) if load.get("mode") != "open" and is_known(n) else None

    def metric(self, name: str) -> Mapping[str, Any] | None:
        metric = (self.summary.get("metrics") or {}).get(name)
        return metric if metric and metric.get("n") else None


def facts_of(bundle: "Bundle") -> Facts:
    """Read a bundle. Where it has no summary (a killed run) the figures are counted anew from its requests."""
    if bundle.summary is not None:
        return Facts(bundle.id, bundle.run, bundle.summary, problems=tuple(bundle.problems))
    counted = recalculate(bundle)[1]
    return Facts(bundle.id, bundle.run, counted, recounted=True, problems=tuple(bundle.problems))


def facts_and_tally(bundle: "Bundle", tally: "Tally | None") -> "tuple[Facts, Tally]":
    """As facts_of, with what the pictures are drawn from; `tally` saves reading the requests again."""
    if tally is not None:
        return facts_of(bundle), tally
    tally, counted = recalculate(bundle)
    problems = tuple(bundle.problems)
    if bundle.summary is not None:
        return Facts(bundle.id, bundle.run, bundle.summary, problems=problems), tally
    return Facts(bundle.id, bundle.run, counted, recounted=True, problems=problems), tally
