"""report.md of a sweep: what to do first, then the pictures, then every point."""

from collections.abc import Sequence

from loadgen.report.capacity import (
    Ceiling,
    at,
    ceiling_of,
    has_limits,
    open_text,
    saturation,
    throughput,
    token_throughput,
    where,
)
from loadgen.report.facts import Facts
from loadgen.report.identity import commit_of, load_text
from loadgen.report.laws import knee_of, usl_of
from loadgen.report.numbers import UNKNOWN, count, figure, percent, shown_percentile
from loadgen.report.operations import operations_of_points
from loadgen.report.points import Line, Point, Sweep
from loadgen.report.repeats import repeats_section
from loadgen.report.run_page import slo_section
from loadgen.report.words import METRICS, axis_value, cell, left_table, load_phrase, status_of, table

PICTURES = {
    "throughput.png": "Throughput against load",
    "ttft.png": "Time to first token against load: p50, p95 and p99",
    "e2e.png": "Time to the whole answer against load: p50, p95 and p99",
    "itl.png": "Gaps between tokens against load: p50, p95 and p99",
}


def sweep_page(sweep: Sweep, advice: str, plots: Sequence[str]) -> str:
    """The whole page. advice: the recommendation; plots: file names under plots/."""
    first, last = sweep.first.benchmark_id, sweep.last.benchmark_id
    parts = [
        [
            f"# Sweep {first} to {last}: {cell(sweep.first.name)}"
            if first != last
            else f"# Sweep {first}: {cell(sweep.first.name)}"
        ],
        [f"**{cell(advice)}**"],
        _description(sweep.first),
        _incomplete(sweep),
        _pictures(plots),
        _points(sweep),
        repeats_section(sweep),
        operations_of_points(sweep),
        _limits(sweep),
        _growth(sweep),
        _what_was_run(sweep),
        _again(sweep),
    ]
    return "\n".join("\n".join([*part, ""]) for part in parts if part)


def _description(facts: Facts) -> list[str]:
    text = facts.recipe.get("description")
    return [f"> {cell(text)}"] if text else []


def _incomplete(sweep: Sweep) -> list[str]:
    """What is not there, said before any picture."""
    said = []
    n_planned = sweep.n_planned
    if n_planned is not None and len(sweep.points) < n_planned:
        said.append(f"The sweep ended early: {len(sweep.points)} of its {n_planned} points were run.")
    unmeasured = [point for point in sweep.points if point.state]
    if unmeasured:
        each = "; ".join(f"{point.facts.benchmark_id} ({point.facts.load}): {point.state}" for point in unmeasured)
        said.append(f"Without figures that could stand beside the others: {each}.")
    return [" ".join(said)] if said else []


def _pictures(plots: Sequence[str]) -> list[str]:
    if not plots:
        return ["There are no pictures: no point was measured."]
    return ["\n\n".join(f"![{_words_of(name)}](plots/{name})" for name in plots)]


def _words_of(name: str) -> str:
    """throughput_llm.png: Throughput against load, llm."""
    kind, _, service = name.removesuffix(".png").partition("_")
    words = PICTURES.get(f"{kind}.png", name)
    return f"{words}, {service}" if service else words


def _points(sweep: Sweep) -> list[str]:
    """A row a point; of several services a row for each of them."""
    points = [point.part(name) for point in sweep.points for name in sweep.services] or list(sweep.points)
    metrics = [name for name in ("ttft", "itl", "e2e") if any(point.facts.metric(name) for point in points)]
    tokens = any(token_throughput(point.facts) is not None for point in points)
    checks = any(point.facts.n_checked or point.facts.n_wrong for point in points)
    head = (
        *sweep.axes,
        *(("service",) if sweep.services else ()),
        "answers/s",
        *(("tokens/s",) if tokens else ()),
        *(f"{name} {which}, ms" for name in metrics for which in ("p50", "p95", "p99")),
        "succeeded",
        *(("wrong",) if checks else ()),
        "limits",
        "run",
    )
    rows = [_row(sweep, point, metrics, tokens, checks) for point in points]
    names = "; ".join(f"{name}: {METRICS[name]}" for name in metrics)
    note = f"{names}. In brackets: too few samples to rely on." if metrics else ""
    return ["## Points", "", *table(head, rows), *(["", note] if note else [])]


def _row(sweep: Sweep, point: Point, metrics: Sequence[str], tokens: bool, checks: bool) -> tuple[str, ...]:
    facts = point.facts
    shown = bool(facts.n_succeeded)  # a cut-off run's figures are shown, and its state beside them
    rates = [figure(throughput(facts)), *([figure(token_throughput(facts))] if tokens else [])]
    times = [shown_percentile(facts.metric(name), which) for name in metrics for which in ("p50", "p95", "p99")]
    return (
        *(axis_value(point.axes[axis]) for axis in sweep.axes),
        *((facts.service_name,) if sweep.services else ()),
        *(rates if shown else [UNKNOWN] * len(rates)),
        *(times if shown else [UNKNOWN] * len(times)),
        percent(facts.summary.get("success_ratio")) if facts.n_finished else UNKNOWN,
        *((count(facts.n_wrong) if facts.n_checked else UNKNOWN,) if checks else ()),
        held_text(point),
        f"[{facts.benchmark_id}](../{facts.benchmark_id}/report.md)",
    )


def held_text(point: Point) -> str:
    """hold, broken, or why that is not known."""
    if point.holds is None:
        return point.state or ("client-bound" if point.is_bound else "undecided" if point.is_undecided else "none set")
    text = "hold" if point.holds else "broken"
    return f"{text}, {point.state}" if point.state else text


def _limits(sweep: Sweep) -> list[str]:
    if not has_limits(sweep):
        return slo_section([])
    if not sweep.is_numeric:
        return ["## Limits", "", f"The points are kinds, not loads, so there is no highest one. {_expressions(sweep)}"]
    said = [f"- {where(line)}{ceiling_text(sweep, ceiling_of(line))}" for line in sweep.lines]
    return ["## Highest load that holds the limits", "", *said, "", _expressions(sweep)]


def _expressions(sweep: Sweep) -> str:
    limits = next((point.facts.limits for point in sweep.points if point.facts.limits), [])
    return f"The limits: {', '.join(f'`{limit.stated}`' for limit in limits)}."


def ceiling_text(sweep: Sweep, ceiling: Ceiling) -> str:
    """8 clients; 16 clients break a limit."""
    held = f"{at(sweep, ceiling.step)}" if ceiling.step else "none of the loads tried"
    if ceiling.next is None:
        return f"{held}, the highest that was tried"
    said = [open_text(sweep, step) for step in ceiling.open]
    if ceiling.broken is not None:
        said.append(f"with {at(sweep, ceiling.broken)} a limit is broken")
    return "; ".join([held, *said])


def _growth(sweep: Sweep) -> list[str]:
    if not sweep.is_numeric:
        return []
    said = []
    for line in sweep.lines:
        saturated, why = saturation(sweep, line)
        said.append(f"- {where(line)}{'throughput has levelled off' if saturated else 'not seen to level off'}: {why}")
    laws = [
        f"- {where(line)}{text}" for line in sweep.lines for text in (_knee_text(sweep, line), _usl_text(sweep, line))
    ]
    return ["## Does throughput still grow?", "", *said, *laws]


def _knee_text(sweep: Sweep, line: Line) -> str:
    bend, reason = knee_of(sweep, line)
    if bend is None:
        return f"no knee: {reason}"
    near = load_phrase({sweep.load_axis: float(figure(bend.load).replace(",", ""))})
    sure = "" if bend.ci95 is None else f" (95 % interval {figure(bend.ci95[0])} to {figure(bend.ci95[1])})"
    left = percent(round(max(bend.slope_after, 0.0) / bend.slope_before, 2))
    return f"the knee: at about {near}{sure} throughput stops growing as before; beyond it, {left} as fast"


def _usl_text(sweep: Sweep, line: Line) -> str:
    """The universal scalability law, in words."""
    law, reason = usl_of(sweep, line)
    if law is None:
        return f"no scalability law: {reason}"
    peak = "it never falls" if law.n_peak is None else f"the most at {figure(law.n_peak)} clients"
    return (
        f"the universal scalability law: {figure(law.lambda_)} answers/s for one client, contention "
        f"{figure(law.sigma)}, coherency {figure(law.kappa)}, {peak} (R² {law.r2:.3f})"
    )


def _what_was_run(sweep: Sweep) -> list[str]:
    first, run = sweep.first, sweep.first.run
    recipe = first.recipe
    client = (run.get("clients") or [{}])[0]
    rows = [
        *_of_services(sweep),
        ("Varied", ", ".join(sweep.axes)),
        *((f"Each point{_of(part)}", _load_of(sweep, part)) for part in first.parts),
        ("Seed", str(recipe.get("seed", UNKNOWN))),
        ("Began", str(run.get("created_at") or UNKNOWN)),
        ("Ended", str(sweep.last.run.get("ended_at") or UNKNOWN)),
        ("Status", ", ".join(sorted({status_of(point.facts.status) for point in sweep.points}))),
        ("Host", str(client.get("hostname") or UNKNOWN)),
        ("Commit", commit_of(run)),
    ]
    return ["## What was run", "", *left_table(("what", "value"), [row for row in rows if row[1] != UNKNOWN])]


def _of(part: Facts) -> str:
    return f", {part.service_name}" if part.service_name else ""


def _of_services(sweep: Sweep) -> list[tuple[str, str]]:
    if not sweep.is_numeric and not sweep.services:
        return [("Service", ", ".join(_services(sweep)))]
    return [(f"Service{_of(part)}", f"{part.service} at {part.service_url}") for part in sweep.first.parts]


def _load_of(sweep: Sweep, part: Facts) -> str:
    """The load itself only where it is not what is varied."""
    is_varied = sweep.is_numeric and part.service_name == sweep.load_service
    return load_text(part) if is_varied else f"{part.load}, {load_text(part)}"


def _services(sweep: Sweep) -> list[str]:
    return list(dict.fromkeys(point.facts.service for point in sweep.points))


def _again(sweep: Sweep) -> list[str]:
    ids = " ".join(point.facts.benchmark_id for point in sweep.points)
    said = "One point again, or this page again from the bundles:"
    return [
        "## Run it again",
        "",
        said,
        "",
        "```sh",
        f"loadgen --rerun {sweep.first.benchmark_id}",
        f"loadgen report {ids}",
        "```",
    ]
