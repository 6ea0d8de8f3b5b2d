"""report.html: the page that people look at, one file that needs no network. Pictures move where plotly.js is at hand.

A picture is numbers first (figures.py). still.py makes an SVG of them that is in the page whatever happens, and that is
printed; draw.js draws the same numbers with plotly.js where reports/ has it, to be zoomed and read off.
"""

from loadgen.report.html.run_html import write_run_html
from loadgen.report.html.sweep_html import write_sweep_html

__all__ = ["write_run_html", "write_sweep_html"]
