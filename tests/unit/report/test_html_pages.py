"""report.html without a browser: whole, balanced, without secrets or numbers that are none, and saying what is so."""

import html
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from synthetic_runs import SECRET, Shape, make_bundle, make_sweep
from synthetic_services import CHAT, Stored, make_stored
from test_report_files import RUN_SHAPES, SHORT

from loadgen.report import write_report, write_sweep_report
from loadgen.report.html.plotly_file import keep_plotly

VOID = {"br", "meta", "link", "input"}


class Outline(HTMLParser):
    """What is open, which ids there are, what is linked, and the text outside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: Counter[str] = Counter()
        self.links: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids.update([given["id"]] if given.get("id") else [])
        self.links += [str(given[name]) for name in ("href", "src") if given.get(name)]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Closed where it begins."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data + " "


def outline_of(folder: Path) -> Outline:
    page = (folder / "report.html").read_text("utf-8")
    assert SECRET not in page
    outline = Outline(page)
    assert outline.open == []
    assert [name for name, n in outline.ids.items() if n > 1] == []
    assert re.findall(r"\b(NaN|nan|Infinity|inf|None(?! of)|null|True|False)\b", outline.text) == []
    for figures in re.findall(r'id="figures">(.*?)</script>', page):
        assert all(figure["panels"] for figure in json.loads(figures))
        assert "NaN" not in figures
    for link in outline.links:
        assert re.fullmatch(r"#[\w-]+|data:,|\.\./plotly-[\d.]+\.min\.js|\.\./BM-[\d-]+/report\.html", link), link
        assert not link.startswith("#") or link[1:] in outline.ids, link
    return outline


@pytest.mark.parametrize("kind", RUN_SHAPES)
def test_a_page_of_any_run_is_sound(kind: str, tmp_path: Path) -> None:
    folder = write_report(make_bundle(tmp_path / "results", RUN_SHAPES[kind]), tmp_path / "reports")
    assert folder.name in outline_of(folder).text


SWEEPS = {
    "clients": ("clients", [1, 8, 32], {}),
    "one point": ("clients", [4], {}),
    "a failed point": ("clients", [1, 8], {8: {"status": "failed", "fail_share": 1.0}}),
    "models": ("model", ["small", "large", "a|b <i>"], {"large": {"status": None}}),
    "rates": ("rate_per_s", [5.0, 20.0, 80.0], {}),
    "no limits": ("clients", [1, 2, 4], {1: {"slos": ()}, 2: {"slos": ()}, 4: {"slos": ()}}),
}


@pytest.mark.parametrize("kind", SWEEPS)
def test_a_page_of_any_sweep_is_sound_and_leads_to_its_runs(kind: str, tmp_path: Path) -> None:
    field, values, at = SWEEPS[kind]
    bundles = make_sweep(tmp_path / "results", SHORT, field, values, at=at)
    outline = outline_of(write_sweep_report(bundles, tmp_path / "reports"))
    assert {f"../{bundle.id}/report.html" for bundle in bundles} <= set(outline.links)


def test_a_page_of_several_services_has_each_beside_the_other(tmp_path: Path) -> None:
    folder = write_report(make_stored(tmp_path / "results", Stored(chat=CHAT, is_wrong=True)), tmp_path / "reports")
    outline_of(folder)
    page = (folder / "report.html").read_text("utf-8")
    for key in ("latency-chat", "latency-store", "latency-over-time-chat", "latency-over-time-store", "traffic-store"):
        assert f'data-figure="{key}"' in page
    assert page.index("wrong answer") < page.index("data-figure"), "what was wrong comes first"


def test_the_verdict_comes_first_with_the_figure_that_it_rests_on(tmp_path: Path) -> None:
    shape = Shape(duration_s=120.0, warmup_s=1.0)
    folder = write_report(make_bundle(tmp_path / "results", shape), tmp_path / "reports")
    page = (folder / "report.html").read_text("utf-8")
    first = re.search(r"<h1>(.*?)</h1>", page)
    assert first is not None
    assert re.fullmatch(r"Holds all 3 limits with 8 clients: p99 time to first token [\d.]+ .*ms.*\.", first[1])
    assert page.index('class="badge good">PASS') < page.index("<h1>") < page.index("<h2")


def test_a_sweep_says_first_up_to_where_it_holds(tmp_path: Path) -> None:
    shape = Shape(duration_s=60.0, warmup_s=1.0)
    folder = write_sweep_report(make_sweep(tmp_path / "results", shape, "clients", [4, 8, 32]), tmp_path / "reports")
    page = (folder / "report.html").read_text("utf-8")
    advice = json.loads((folder / "report.json").read_text())["recommendation"]
    first = re.search(r"<h1>(.*?)</h1>", page)
    assert first is not None
    assert "8 clients" in first[1]
    assert html.unescape(first[1]) == advice[: len(html.unescape(first[1]))]
    assert page.index('class="badge good">PASS') < page.index("<h1>") < page.index("<h2")
    assert "limits broken" in page


def test_every_percentile_of_the_times_has_its_interval_or_what_it_needs(tmp_path: Path) -> None:
    folder = write_report(make_bundle(tmp_path / "results", replace(SHORT, duration_s=30.0)), tmp_path / "reports")
    page = (folder / "report.html").read_text("utf-8")
    times = page[page.index('id="on-times"') : page.index('id="on-over-the-run"')]
    cells = re.findall(r'<td class="figure" data-key="[\d.]+">(.*?)</td>', times)
    percentiles = [cell for number, cell in enumerate(cells) if number % 8 in range(2, 7)]
    assert len(percentiles) >= 25
    for cell in percentiles:
        assert re.search(r"<small>(± |[\d.,]+ to |needs )", cell), cell
        assert cell.startswith("[") == ("needs" in cell), cell


def test_plotly_is_kept_once_beside_the_reports(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    for _ in range(2):
        write_report(make_bundle(tmp_path / "results", SHORT), tmp_path / "reports")
    (kept,) = (tmp_path / "reports").glob("plotly-*")
    assert kept.name == keep_plotly(tmp_path / "reports")
    assert kept.stat().st_size > 1_000_000


def test_without_plotly_every_picture_is_a_still_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadgen.report.html.plotly_file._source", lambda: None)
    folder = write_report(make_bundle(tmp_path / "results", SHORT), tmp_path / "reports")
    page = (folder / "report.html").read_text("utf-8")
    assert page.count('class="still ') == page.count("data-figure=") >= 5
    assert "plotly-" not in page
    assert list((tmp_path / "reports").glob("plotly-*")) == []
    assert "pip install" in outline_of(folder).text
