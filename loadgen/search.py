"""The highest load that holds the promises: which load is tried next, and when a trial has shown enough."""

from collections.abc import Generator, Iterable
from typing import Any, NamedTuple

from loadgen.bundle import Bundle
from loadgen.engine import Live
from loadgen.metrics import Tallies
from loadgen.metrics.figures import Figures
from loadgen.metrics.promises import Held, hold
from loadgen.metrics.slo import meets
from loadgen.metrics.tally import Tally
from loadgen.metrics.window import Window
from loadgen.recipe import Recipe
from loadgen.recipe.slo import Slo
from loadgen.report.facts import facts_of
from loadgen.report.searched import trial_of
from loadgen.statistics.bracket import Span, Trial, bracket_of, next_load
from loadgen.units import NS_PER_S

LOOK_EVERY_NS = NS_PER_S // 2

LOOKS_ALPHA = 0.001
"""Of all runs that end at a look, at most so many are wrong: spent on the looks as 1/2, 1/6, 1/12, … of it, however
many there are. The verdict at the end keeps its own 5 %. Source: Haybittle 1971, Peto et al. 1976."""

BREAKS_FROM = 0.2
"""Of the window must be over before a look may say that a promise is broken: what is slow at the start may settle."""

HOLDS_FROM = 0.5
"""And that it holds: queues that grow are short at first."""


def probes(recipe: Recipe) -> Generator[tuple[dict[str, Any], Recipe], Bundle, None]:
    """The loads of a search, one after the other: each is yielded as a point, and its bundle is sent in."""
    search = recipe.search
    if search is None:
        return
    span = Span(search.from_, search.to, search.precision, search.is_whole)
    trials: list[Trial] = []
    while (load := next_load(trials, span)) is not None:
        axes, point = recipe.point_at(load)
        bundle = yield axes, point
        trials.append(trial_of(facts_of(bundle), load))


def found_a_load(recipe: Recipe, bundles: Iterable[Bundle]) -> bool:
    """Whether some load of a search that is over holds the promises, as its report says."""
    assert recipe.search is not None
    loads = [(bundle, bundle.run["sweep"]["axes"][recipe.search.field]) for bundle in bundles]
    return bracket_of([trial_of(facts_of(bundle), load) for bundle, load in loads]).low is not None


def described(recipe: Recipe) -> dict[str, Any] | None:
    """What run.json's `sweep` says of a search."""
    return None if recipe.search is None else recipe.search.model_dump(mode="json", by_alias=True)


class Progress(NamedTuple):
    """How far a service's window is. n_pending: requests that are under way or wait."""

    share: float
    window: Window
    n_pending: int


class Looks:
    """Looks at a run's figures every half second, and ends its window when they show enough.

    Called after each block that is counted, in the thread that counts. alpha: see LOOKS_ALPHA.
    """

    def __init__(self, recipe: Recipe, alpha: float = LOOKS_ALPHA) -> None:
        self._loads = [part.load for _, part in recipe.parts()]
        self._alpha = alpha
        self._n_looks = 0
        self._next_ns = 0

    def __call__(self, live: Live, tallies: Tallies) -> None:
        if live.elapsed_ns < self._next_ns or live.is_enough:
            return
        self._next_ns = live.elapsed_ns + LOOK_EVERY_NS
        progress = self._progress(live, tallies)
        if progress is not None and progress.share >= BREAKS_FROM:
            self._n_looks += 1
            if is_enough(tallies, progress, self._alpha / (self._n_looks * (self._n_looks + 1))):
                live.enough()

    def _progress(self, live: Live, tallies: Tallies) -> Progress | None:
        """Of the service that is least far; None before every window has begun."""
        windows = [tally.window_from_ns for tally in tallies.by_service.values()]
        begun = [from_ns for from_ns in windows if from_ns is not None]
        if len(begun) < len(windows) or live.elapsed_ns <= max(begun):
            return None
        lasted_ns = live.elapsed_ns - max(begun)
        shares = [_share(load.duration_s, load.requests, lasted_ns, live.n_finished) for load in self._loads]
        return Progress(min(shares), Window(max(begun), live.elapsed_ns), live.n_in_flight + live.n_waiting)


def _share(duration_s: float | None, requests: int | None, lasted_ns: int, n_finished: int) -> float:
    """Of a window that ends by time or by count, whichever is nearer."""
    by_time = lasted_ns / (duration_s * NS_PER_S) if duration_s else 0.0
    return max(by_time, n_finished / requests if requests else 0.0)


def is_enough(tallies: Tallies, progress: Progress, alpha: float) -> bool:
    """Whether some promise is broken, or every one holds, with no more than alpha of error."""
    held = [one for tally in tallies.by_service.values() for one in _held(tally, progress.window)]
    if any(_is_broken(one, figures, progress, alpha / (2 * len(held))) for one, figures in held):
        return True
    if progress.share < HOLDS_FROM or not held:
        return False
    return all(_is_held(one, figures, progress.n_pending, alpha / 2) for one, figures in held)


def _held(tally: Tally, window: Window) -> list[tuple[Held, Figures]]:
    figures = tally.whole
    return [(hold(slo, figures, window), figures) for slo in tally.slos] if figures.n_finished else []


def _is_broken(held: Held, figures: Figures, progress: Progress, alpha: float) -> bool:
    """What is still under way can only make it worse: the slow ones are the last to be counted. Of a rate it would make
    it better, so rates are left to the end."""
    if held.value is None or held.slo.metric in ("request_throughput", "output_throughput", "goodput"):
        return False
    if held.evidence is None:
        return not held.slo.holds(held.value) and _stays_broken(held.slo)
    return held.evidence.p_broken <= alpha or _is_past_help(held.slo, figures, progress.share)


def _is_past_help(slo: Slo, figures: Figures, share: float) -> bool:
    """So many requests have missed the bound that it would be broken at the window's end if all others met it."""
    met = _share_that_met(slo, figures)
    return met is not None and (1 - met) * share > 1 - _asked(slo)


def _stays_broken(slo: Slo) -> bool:
    """Bounds that one request can break for good."""
    if slo.statistic in ("max", "min"):
        return slo.statistic == ("max" if slo.op.startswith("<") else "min")
    return (slo.metric == "success_ratio" and slo.threshold >= 1) or (
        slo.metric == "error_ratio" and slo.threshold <= 0
    )


def _is_held(held: Held, figures: Figures, n_pending: int, alpha: float) -> bool:
    """Also if everything that is under way missed the bound."""
    if held.evidence is None or held.evidence.p_holds > alpha:
        return False
    met, n = _share_that_met(held.slo, figures), figures.n_finished
    return met is None or met * n / (n + n_pending) > _asked(held.slo)


def _share_that_met(slo: Slo, figures: Figures) -> float | None:
    """Of what is finished, the share that the bound wants much of; None: the bound is of no share."""
    n = figures.n_finished
    if slo.metric == "success_ratio" or slo.metric == "error_ratio":
        n_met = figures.n_succeeded if slo.op.startswith(">") == (slo.metric == "success_ratio") else figures.n_failed
        return n_met / n
    histogram = figures.metrics.get(slo.metric)
    if histogram is None or not (slo.statistic or "").startswith("p"):
        return None
    return float(histogram.share_of(lambda values: meets(values, slo)))


def _asked(slo: Slo) -> float:
    """How large that share must be."""
    is_upper = slo.op.startswith("<")
    if slo.metric in ("success_ratio", "error_ratio"):
        return 1 - slo.threshold if is_upper else slo.threshold
    quantile = float((slo.statistic or "p50")[1:]) / 100
    return quantile if is_upper else 1 - quantile
