"""report.html of a sweep: the highest load that holds, then the pictures, then every point."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadgen.report.capacity import has_limits, token_throughput
from loadgen.report.facts import Facts
from loadgen.report.html.figures import Figure
from loadgen.report.html.from_markdown import code_block, html_of, sections_of
from loadgen.report.html.markup import Html, joined, tag
from loadgen.report.html.page import Page, Part, lead, note, pictures, written
from loadgen.report.html.plotly_file import keep_plotly
from loadgen.report.html.run_words import CLIENT_TONES, client_verdict, verdict_badge
from loadgen.report.html.sentences import headline_and_rest
from loadgen.report.html.sweep_figures import latency_figures, throughput_figure, trade_figure
from loadgen.report.html.sweep_heat import heat_figure
from loadgen.report.html.sweep_words import sweep_word, was_undecided
from loadgen.report.html.tables import html_table, sure_cell
from loadgen.report.intervals import sure_figure, sure_percentile
from loadgen.report.numbers import UNKNOWN, count, percent
from loadgen.report.points import Point, Sweep
from loadgen.report.sweep_page import held_text
from loadgen.report.text import short_axis
from loadgen.report.words import METRICS, axis_value, one_line

if TYPE_CHECKING:
    from loadgen.bundle.read import Bundle

OWN_PARTS = ("", "Points", "Run it again")
"""Sections of report.md that this page has in its own way."""

SHOWN = ("p50", "p95", "p99")


def write_sweep_html(
    folder: Path, sweep: Sweep, report: Mapping[str, Any], bundles: "Sequence[Bundle]", page: str
) -> Path:
    """Write `folder`/report.html; plotly.js goes beside the folder, once. report: report.json; page: report.md."""
    plotly = keep_plotly(folder.parent)
    figures = _figures(sweep, report, {bundle.id: bundle for bundle in bundles})
    first, last = sweep.first.benchmark_id, sweep.last.benchmark_id
    which = f"{first} to {last}" if first != last else first
    content = Page(
        title=f"Sweep {which}: {one_line(sweep.first.name)}",
        eyebrow=f"{one_line(sweep.first.name)} · sweep of {len(sweep.points)} runs, {which}",
        verdict=sweep_word(sweep, report),
        sentence=headline_and_rest(one_line(report["recommendation"]))[0],
        under=_under(report, page),
        parts=_parts(sweep, report, page, figures),
        figures=figures,
        plotly=None if plotly is None else f"../{plotly}",
    )
    path = folder / "report.html"
    path.write_text(written(content), "utf-8")
    return path


def _figures(sweep: Sweep, report: Mapping[str, Any], bundles: "Mapping[str, Bundle]") -> list[Figure]:
    """Of several services each has its own, against the one load that rises."""
    made: list[Figure | None] = []
    for service in sweep.services or ("",):
        own = sweep.part(service) if service else sweep
        whose = f"{service}: " if service else ""
        law = report if service in ("", sweep.load_service) else {}
        trade, over = trade_figure(own, whose), heat_figure(own, bundles, service)
        made += [throughput_figure(own, law, whose), *latency_figures(own, whose), trade, over]
    return [figure for figure in made if figure is not None]


def _under(report: Mapping[str, Any], page: str) -> list[Html]:
    """What to do about it, then what report.md says before its first heading but for the advice and the pictures."""
    _, rest = headline_and_rest(one_line(report["recommendation"]))
    said = [lead(rest)] if rest else []
    before = [line for line in sections_of(page)[0].lines if not line.startswith(("**", "There are no pictures"))]
    return [*said, html_of(before)]


def _parts(sweep: Sweep, report: Mapping[str, Any], page: str, figures: Sequence[Figure]) -> list[Part]:
    parts = [Part("Against load", pictures(figures), "Pictures")] if figures else []
    parts.append(Part("Points", _points(sweep), "Points"))
    for section in sections_of(page):
        if section.title not in OWN_PARTS:
            parts.append(
                Part(section.title, html_of(section.lines), "Setup" if section.title == "What was run" else "")
            )
    return [*parts, Part("Run it again", _again(sweep), "Run again")]


def _points(sweep: Sweep) -> Html:
    """A row a run; of several services a row for each of them."""
    points = [point.part(name) for point in sweep.points for name in sweep.services] or list(sweep.points)
    metrics = [name for name in ("ttft", "itl", "e2e") if any(point.facts.metric(name) for point in points)]
    tokens = any(token_throughput(point.facts) is not None for point in points)
    clients = any(client_verdict(point.facts.summary) for point in sweep.points)
    head = [*map(short_axis, sweep.axes), *(["service"] if sweep.services else []), "limits", "answers/s"]
    head += [*(["tokens/s"] if tokens else []), *(f"{name} {which}" for name in metrics for which in SHOWN)]
    head += ["succeeded", *(["client"] if clients else []), "run"]
    made = [_row(sweep, point, metrics, tokens, clients) for point in points]
    n_left = len(sweep.axes) + bool(sweep.services)
    is_right = [True] * len(sweep.axes) + [False] * (1 + bool(sweep.services))
    is_right += [True] * (len(head) - n_left - 2 - clients)
    table = html_table(head, [row for row, _ in made], is_right, [keys for _, keys in made], "Points of the sweep")
    names = "; ".join(f"{name}: {METRICS[name]}" for name in metrics)
    return joined(
        [table, note(f"Times in ms. {names}. Under each figure is its 95 % interval. {BRACKETS}") if names else None]
    )


BRACKETS = "In brackets: too few samples to rely on, and how many it needs."

Row = tuple[list[object], list[float | str | None]]


def _row(sweep: Sweep, point: Point, metrics: Sequence[str], tokens: bool, clients: bool) -> Row:
    """The cells, and what each sorts by."""
    facts = point.facts
    rates = ["request_throughput_per_s", *(["output_throughput_per_s"] if tokens else [])]
    sures = [sure_figure(facts.summary, key) for key in rates]
    sures += [sure_percentile(facts.metric(name), which) for name in metrics for which in SHOWN]
    is_shown = bool(facts.n_succeeded)
    cells: list[object] = [axis_value(point.axes[axis]) for axis in sweep.axes]
    keys: list[float | str | None] = [_key(point.axes[axis]) for axis in sweep.axes]
    if sweep.services:
        cells, keys = [*cells, facts.service_name], [*keys, None]
    cells, keys = [*cells, _held(point)], [*keys, None]
    cells += [sure_cell(sure) if is_shown else UNKNOWN for sure in sures]
    keys += [sure.value if is_shown and sure.value is not None else "" for sure in sures]
    ratio = facts.summary.get("success_ratio")
    cells += [percent(ratio) if facts.n_finished else UNKNOWN, *([_client(facts)] if clients else [])]
    keys += [ratio if facts.n_finished and ratio is not None else "", *([None] if clients else [])]
    link = tag("a", facts.benchmark_id, href=f"../{facts.benchmark_id}/report.html")
    return [*cells, link], [*keys, None]


def _key(value: Any) -> float | str | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _client(facts: Facts) -> Html:
    verdict = client_verdict(facts.summary)
    return tag("span", verdict or UNKNOWN, class_=f"says {CLIENT_TONES.get(verdict, '')}")


def _held(point: Point) -> Html:
    """A badge where the limits were judged; what else it is in words."""
    if point.holds is True:
        return verdict_badge("PASS")
    if was_undecided(point):
        return verdict_badge("UNDECIDED")
    if point.holds is False:
        more = tag("small", point.state) if point.state else None
        return joined([verdict_badge("FAIL"), more])
    return joined([held_text(point)])


def _again(sweep: Sweep) -> Html:
    ids = " ".join(point.facts.benchmark_id for point in sweep.points)
    said = tag("p", f"One of its {count(len(sweep.points))} points, or this page again from the bundles:")
    limits = f'\nloadgen slo {ids} "p99_ttft < 300 ms"' if has_limits(sweep) else ""
    return joined([said, code_block(f"loadgen --rerun {sweep.first.benchmark_id}\nloadgen report {ids}{limits}")])
