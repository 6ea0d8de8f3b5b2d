"""Two sides, each of one run, of repeats, or of a sweep: matched point by point, and every figure of them compared."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from loadgen.compare.differing import Differing, differing
from loadgen.compare.figures import Difference, Figure, Word
from loadgen.compare.obstacles import Obstacles, obstacles, operations_on_one_side, without_bound
from loadgen.compare.pairs import Run, Side, difference, figures_of, kinds_in_both, run_of, shared
from loadgen.report.points import sweep_of
from loadgen.report.words import load_phrase
from loadgen.statistics.differences import N_PERMUTATIONS, holm
from loadgen.statistics.repeats import pairs_needed

if TYPE_CHECKING:
    from loadgen.bundle import Bundle

THRESHOLD = 0.03

PERMUTATIONS_A_FIGURE = 25
"""The smallest p-value that there can be must pass at 5 % though it is held for all figures."""


@dataclass(frozen=True)
class Point:
    """Runs of both sides at the same place of a sweep. axes: {} where there is no sweep."""

    axes: Mapping[str, Any]
    a: Side
    b: Side
    obstacles: Obstacles
    differences: tuple[Difference, ...] = ()

    @property
    def where(self) -> str:
        return load_phrase(self.axes) if self.axes else ""

    @property
    def figures(self) -> list[Figure]:
        """What both sides have and may be compared by."""
        if self.obstacles.stops:
            return []
        return shared(self.a, self.b, figures_of(kinds_in_both(self.a, self.b), self.obstacles.left_out))


@dataclass(frozen=True)
class Comparison:
    """threshold: 0.03 for 3 %. notes: what to know first. unmatched: points of one side only, a line each."""

    a: Side
    b: Side
    threshold: float
    paired: bool
    differs: list[Differing]
    points: list[Point]
    notes: list[str]
    unmatched: list[str]

    @property
    def told(self) -> list[tuple[Point, Difference]]:
        return [(point, one) for point in self.points for one in point.differences]

    def having(self, word: Word) -> list[tuple[Point, Difference]]:
        return [(point, one) for point, one in self.told if one.word(self.threshold) is word]

    @property
    def regressions(self) -> list[tuple[Point, Difference]]:
        """Really worse, and by the threshold at least."""
        return self.having(Word.WORSE)

    @property
    def stops(self) -> list[str]:
        """Why points could not be compared."""
        return [f"{point.where}: {stop}".lstrip(": ") for point in self.points for stop in point.obstacles.stops]

    @property
    def left_out(self) -> list[str]:
        """Figures that are not compared, or shown and not tested, with the reason; a line for each reason."""
        reasons: dict[str, list[str]] = {}
        for point in self.points:
            for metric, why in point.obstacles.left_out.items():
                if "no limit is set" not in why:
                    reasons.setdefault(why, []).append(metric)
            for one in point.differences:
                if one.why:
                    reasons.setdefault(one.why, []).append(one.figure.words)
        return [f"{', '.join(dict.fromkeys(names))}: {why}" for why, names in reasons.items()]


def compare(
    a: "Sequence[Bundle]", b: "Sequence[Bundle]", threshold: float = THRESHOLD, paired: bool = False
) -> Comparison:
    """Several bundles of a side are a sweep where their recipes vary, and repeats of each other where they do not.

    paired: the n-th of a was run beside the n-th of b.
    """
    sides = [run_of(bundle) for bundle in a], [run_of(bundle) for bundle in b]
    names = () if paired else _varied(*sides)
    groups = [_by_place(side, names) for side in sides]
    matched = [(dict(place), groups[0][place], groups[1][place]) for place in groups[0] if place in groups[1]]
    points = [_point(axes, *without_bound(own, other, paired)) for axes, own, other in matched]
    return Comparison(
        *sides,
        threshold=threshold,
        paired=paired,
        differs=differing(sides[0][0].facts, sides[1][0].facts, but=names),
        points=_held(points, paired),
        notes=_notes(points, paired),
        unmatched=_unmatched(*groups),
    )


def _point(axes: Mapping[str, Any], a: Side, b: Side, left_out: list[str]) -> Point:
    found = obstacles(a, b)
    return Point(axes, a, b, found._replace(notes=[*left_out, *found.notes]))


Place = tuple[tuple[str, Any], ...]


def _varied(a: Sequence[Run], b: Sequence[Run]) -> tuple[str, ...]:
    """Fields that vary within a side."""
    names: dict[str, None] = {}
    for side in (a, b):
        sweep = sweep_of([run.facts for run in side])
        for axis in sweep.axes:
            if len({json.dumps(point.axes[axis], default=str) for point in sweep.points}) > 1:
                names[axis] = None
    return tuple(names)


def _by_place(side: Sequence[Run], names: Sequence[str]) -> dict[Place, list[Run]]:
    groups: dict[Place, list[Run]] = {}
    for run in side:
        groups.setdefault(tuple((name, _value(run, name)) for name in names), []).append(run)
    return groups


def _value(run: Run, name: str) -> Any:
    stated = (run.facts.run.get("sweep") or {}).get("axes") or {}
    value = stated[name] if name in stated else _dotted(run.facts.recipe, name)
    return json.dumps(value) if isinstance(value, list | dict) else value


def _dotted(tree: Any, name: str) -> Any:
    for part in name.split("."):
        tree = tree.get(part) if isinstance(tree, Mapping) else None
    return tree


def _unmatched(a: Mapping[Place, Any], b: Mapping[Place, Any]) -> list[str]:
    lines = []
    for name, own, others in (("A", a, b), ("B", b, a)):
        only = [load_phrase(dict(place)) for place in own if place not in others]
        lines += [f"only {name} has {'; '.join(only)}"] if only else []
    return lines


def _held(points: Sequence[Point], paired: bool) -> list[Point]:
    """All figures of all points tested, and their p-values held for how many they are."""
    figures = [point.figures for point in points]
    n_permutations = max(N_PERMUTATIONS, PERMUTATIONS_A_FIGURE * sum(map(len, figures)))
    tested = [
        [difference(point.a, point.b, figure, paired, n_permutations) for figure in own]
        for point, own in zip(points, figures, strict=True)
    ]
    held = iter(holm([one.p_value for own in tested for one in own if one.p_value is not None]))
    whole = [[one if one.p_value is None else one.held(next(held)) for one in own] for own in tested]
    return [replace(point, differences=tuple(own)) for point, own in zip(points, whole, strict=True)]


def _notes(points: Sequence[Point], paired: bool) -> list[str]:
    notes = [note for point in points for note in point.obstacles.notes]
    notes += [line for point in points[:1] for line in operations_on_one_side(point.a, point.b)]
    if not paired and any(len(point.a) == len(point.b) == 1 for point in points):
        notes.append(ONE_RUN)
    return list(dict.fromkeys(notes))


ONE_RUN = (
    "one run of each side: what changes from one run to the next (another minute, another start of the server) is in "
    "no interval here; repeats (--a ID --a ID …) or compare --duet see it"
)


def too_few_pairs(comparison: Comparison) -> str:
    """Of a duet: that no difference, however large, could be called real; empty where one could."""
    n_pairs = sum(len(point.a) for point in comparison.points)
    n_figures = sum(1 for _, one in comparison.told if one.p_value is not None)
    needed = pairs_needed(n_figures)
    if not comparison.paired or n_pairs >= needed or not n_figures:
        return ""
    return f"with {n_pairs} slots of each and {n_figures} figures nothing can be called real: --slots {needed} could"
