"""report.html of one run: the verdict, the headline figures and limits, the pictures, and then all of report.md."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loadgen.report.curves import Curves
from loadgen.report.facts import Facts
from loadgen.report.html.figures import Figure
from loadgen.report.html.from_markdown import code_block, html_of, sections_of
from loadgen.report.html.markup import Html, joined, tag
from loadgen.report.html.page import Page, Part, lead, note, pictures, tiles, warning, written
from loadgen.report.html.plotly_file import keep_plotly
from loadgen.report.html.positions import gaps_by_position
from loadgen.report.html.run_course import latency_over_time, traffic_figure
from loadgen.report.html.run_shapes import gaps_figure, latency_figure, positions_figure, shares_of_answer
from loadgen.report.html.run_words import client_tile, limits_table, rest_of_verdict, run_sentence
from loadgen.report.html.tables import html_table, sure_cell
from loadgen.report.html.watched import watched_figures
from loadgen.report.intervals import sure_figure, sure_mean, sure_percentile
from loadgen.report.numbers import NEEDS_N, PERCENTILES, count, figure, percent
from loadgen.report.verdict import Verdict
from loadgen.report.words import LATENCIES, METRICS, one_line

if TYPE_CHECKING:
    from loadgen.bundle.read import Bundle
    from loadgen.metrics.tallies import Tallies

OWN_PARTS = ("", "Limits", "Pictures", "Run it again")
"""Sections of report.md that this page has in its own way; and all that begin with Times."""

SHORT_TITLES = {
    "The load generator itself": "Client",
    "What was run": "Setup",
    "What the server says": "Server",
    "What failed": "Failures",
}


def write_run_html(
    folder: Path,
    bundle: "Bundle",
    facts: Facts,
    tallies: "Tallies",
    curves: Sequence[Curves],
    verdict: Verdict,
    page: str,
) -> Path:
    """Write `folder`/report.html; plotly.js goes beside the folder, once. page: report.md's text."""
    plotly = keep_plotly(folder.parent)
    shapes, courses = _shapes(bundle, facts, curves), _courses(bundle, facts, tallies, curves)
    content = Page(
        title=f"{facts.benchmark_id}: {one_line(facts.name)}",
        eyebrow=f"{one_line(facts.name)} · {facts.benchmark_id} · {facts.service} · {facts.load}",
        verdict=verdict.value,
        sentence=run_sentence(facts, verdict),
        under=_under(facts, verdict, page),
        parts=_parts(facts, page, shapes, courses),
        figures=[*shapes, *courses],
        plotly=None if plotly is None else f"../{plotly}",
    )
    path = folder / "report.html"
    path.write_text(written(content), "utf-8")
    return path


def _shapes(bundle: "Bundle", facts: Facts, curves: Sequence[Curves]) -> list[Figure]:
    made: list[Figure | None] = []
    for part, drawn in zip(facts.parts, curves, strict=True):
        made.append(latency_figure(part, drawn.latencies))
        if drawn.gaps is not None:
            made += [
                gaps_figure(part, drawn.gaps),
                positions_figure(part, gaps_by_position(bundle.blocks(), _numbers(bundle, part))),
            ]
    return [figure for figure in made if figure is not None]


def _numbers(bundle: "Bundle", part: Facts) -> range:
    """Which numbers records have for the operations of a service."""
    own = [number for number, operation in enumerate(bundle.operations) if operation.service == part.service_name]
    return range(own[0], own[-1] + 1) if own else range(len(bundle.operations))


def _courses(bundle: "Bundle", facts: Facts, tallies: "Tallies", curves: Sequence[Curves]) -> list[Figure]:
    ends_s = max((drawn.timeline.ends_s for drawn in curves if drawn.timeline is not None), default=0.0)
    if ends_s <= 0:
        return []
    made: list[Figure | None] = []
    for part, drawn in zip(facts.parts, curves, strict=True):
        tally = tallies.by_service.get(part.service_name)
        whole = None if tally is None else tally.whole
        is_wide = not facts.is_several
        made.append(None if whole is None else latency_over_time(part, whole, ends_s, is_wide))
        made.append(traffic_figure(part, whole, drawn.timeline, ends_s, is_wide))
    return [*(figure for figure in made if figure is not None), *watched_figures(facts, bundle.folder, ends_s)]


def _under(facts: Facts, verdict: Verdict, page: str) -> list[Html]:
    """Beside the sentence: the figures in words, what the bundle lacks, what the recipe's author says of it."""
    before = html_of([line for line in sections_of(page)[0].lines if not line.startswith("**")])
    rest = rest_of_verdict(facts, verdict)
    said = [lead(rest)] if rest else []
    has_problems = bool(facts.problems)
    return [*said, warning(before) if has_problems else before]


def _parts(facts: Facts, page: str, shapes: Sequence[Figure], courses: Sequence[Figure]) -> list[Part]:
    parts = [Part("Headline figures", joined(_headline(part) for part in facts.parts), "Figures")]
    limits = limits_table(facts)
    parts.append(Part("Limits", limits, "Limits"))
    if shapes:
        parts.append(
            Part("How long answers took", joined([*map(_where_time_went, facts.parts), pictures(shapes)]), "Latency")
        )
    times = [table for part in facts.parts if (table := _times(part)) is not None]
    if times:
        parts.append(Part("Times", joined([*times, note(TIMES_NOTE)])))
    if courses:
        parts.append(Part("Over the run", pictures(courses), "Over time"))
    for section in sections_of(page):
        if section.title not in OWN_PARTS and not section.title.startswith("Times"):
            parts.append(Part(section.title, html_of(section.lines), SHORT_TITLES.get(section.title, "")))
    return [*parts, Part("Run it again", _again(facts), "Run again")]


TIMES_NOTE = (
    "p99 is the time that 99 of 100 stayed within, and under it is its 95 % interval. Times count from the instant at "
    "which a request was due. In brackets: too few samples to rely on, and how many it needs. Worth: samples that "
    "resemble their neighbours count as so many that do not."
)


def _headline(facts: Facts) -> Html:
    """Tiles; of several services each has a row with its name."""
    summary = facts.summary
    name, words = ("ttft", "First token") if facts.metric("ttft") else ("e2e", "Whole answer")
    rows: list[tuple[str, object, object]] = [_rate("Answers per second", facts, "request_throughput_per_s")]
    if facts.has_tokens:
        rows.append(_rate("Tokens per second", facts, "output_throughput_per_s"))
    rows += [_time(f"{words}, {which}", facts, name, which) for which in ("p50", "p99") if facts.metric(name)]
    if facts.metric("itl"):
        rows.append(_time("Gap between tokens, p99", facts, "itl", "p99"))
    failed = (
        f"{count(facts.n_failed)} of {count(facts.n_finished)} failed"
        if facts.n_failed
        else f"none of {count(facts.n_finished)} failed"
    )
    rows.append(("Succeeded", percent(summary.get("success_ratio")), failed))
    rows += client_tile(facts)
    named = tag("h3", facts.service_name, class_="group") if facts.service_name else None
    return joined([named, tiles(rows)])


def _rate(name: str, facts: Facts, key: str) -> tuple[str, object, object]:
    return _tile(name, sure_cell(sure_figure(facts.summary, key)), "/s")


def _time(name: str, facts: Facts, metric: str, which: str) -> tuple[str, object, object]:
    return _tile(name, sure_cell(sure_percentile(facts.metric(metric), which)), "ms")


def _tile(name: str, cell: Html, unit: str) -> tuple[str, object, object]:
    """The unit stands behind the figure, before what is small under it."""
    value, small, rest = cell.partition("<small>")
    return name, joined([Html(value), tag("span", f" {unit}", class_="unit"), Html(small + rest)]), None


def _where_time_went(facts: Facts) -> Html | None:
    """A bar of an average answer's time."""
    parts = shares_of_answer(facts)
    if not parts:
        return None
    whole = sum(value for _, value, _ in parts)
    bars = [
        tag("span", class_=f"c{colour}", style=f"flex:{value / whole:.4f}") for _, value, colour in parts if value > 0
    ]
    keys = [
        tag("li", tag("i", class_=f"c{colour}"), f"{name} {figure(value)} ms ({_share(value / whole)})")
        for name, value, colour in parts
    ]
    title = f"{facts.service_name}: where" if facts.service_name else "Where"
    words = tag("h3", f"{title} the {figure(whole)} ms of an average answer go")
    return tag(
        "div",
        words,
        tag("div", *bars, class_="stack", aria_hidden="true"),
        tag("ul", *keys, class_="legend"),
        class_="went",
    )


def _share(share: float) -> str:
    return "under 1 %" if share < 0.01 else f"{100 * share:.0f} %"


def _times(facts: Facts) -> Html | None:
    named = [(name, metric) for name in LATENCIES if (metric := facts.metric(name)) is not None]
    if not named:
        return None
    rows, keys = [], []
    for name, metric in named:
        sures = [sure_percentile(metric, which) for which in PERCENTILES]
        mean = sure_mean(metric)
        rows.append(
            (
                joined([METRICS[name], tag("small", name)]),
                _samples(metric.get("n"), metric.get("n_effective")),
                sure_cell(mean),
                *map(sure_cell, sures),
                figure(metric.get("max")),
            )
        )
        keys.append([METRICS[name], metric.get("n"), mean.value, *(sure.value for sure in sures), metric.get("max")])
    head = ("in ms", "samples", "mean", *PERCENTILES, "longest")
    caption = f"Times{f' of {facts.service_name}' if facts.service_name else ''}"
    named_after = tag("h3", facts.service_name, class_="group") if facts.service_name else None
    return joined([named_after, html_table(head, rows, [False] + [True] * (len(NEEDS_N) + 3), keys, caption)])


def _samples(n: object, n_effective: object) -> Html:
    """Where values hang together there are fewer that count."""
    few = isinstance(n_effective, int | float) and isinstance(n, int | float) and n_effective < 0.95 * n
    return joined([count(n), tag("small", f"worth {count(n_effective)}") if few else None])


def _again(facts: Facts) -> Html:
    commands = f"loadgen --rerun {facts.benchmark_id}\nloadgen report {facts.benchmark_id}"
    said = tag(
        "p",
        "The same recipe, seed and plan, compared with this run at the end; and this page from the bundle again:",
    )
    return joined([said, code_block(commands)])
