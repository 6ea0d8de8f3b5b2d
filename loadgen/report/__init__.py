"""Reports that people look at, made from bundles alone. Drawing is imported only when something is drawn."""

from loadgen.report.run_report import write_report
from loadgen.report.sweep_report import write_sweep_report

__all__ = ["write_report", "write_sweep_report"]
