"""A run's services and operations beside each other, a row each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from loadgen.report.facts import Facts, metric_of
from loadgen.report.numbers import count, figure, is_known, percent, shown_percentile
from loadgen.report.points import Sweep
from loadgen.report.words import axis_value, table


class Row(NamedTuple):
    """A service, or one of its operations. figures: a summary, or an entry of its by_operation."""

    name: str
    figures: Mapping[str, Any]


class Column(NamedTuple):
    head: str
    short: str
    read: Callable[[Mapping[str, Any]], str]


def rows_of(facts: Facts) -> list[Row]:
    """Of several services each with its operations below it; of one, its operations where there are several."""
    if not facts.is_several:
        operations = facts.by_operation
        return [Row(name, figures) for name, figures in operations.items()] if len(operations) > 1 else []
    rows = []
    for part in facts.parts:
        rows.append(Row(part.service_name, part.summary))
        if len(part.by_operation) > 1:
            rows += [Row(f"{part.service_name}: {name}", figures) for name, figures in part.by_operation.items()]
    return rows


def columns_of(rows: Sequence[Row]) -> list[Column]:
    """What is shown of them: tokens, checks and recall only where any of them has some."""
    figures = [row.figures for row in rows]
    columns = [Column("answers/s", "answers/s", lambda one: figure(one.get("request_throughput_per_s")))]
    if any(one.get("total_output_tokens") for one in figures):
        columns.append(Column("tokens/s", "tokens/s", lambda one: figure(one.get("output_throughput_per_s"))))
    columns += [
        Column(f"{name} {which}, ms", f"{name} {which} ms", _percentile_reader(name, which))
        for name in ("ttft", "e2e")
        if any(metric_of(one, name) for one in figures)
        for which in ("p50", "p95", "p99")
    ]
    columns.append(Column("succeeded", "ok", lambda one: percent(one.get("success_ratio"))))
    if any(is_known(one.get("wrong")) for one in figures):
        columns.append(Column("checked", "checked", lambda one: count(one.get("checked"))))
        columns.append(Column("wrong", "wrong", lambda one: count(one.get("wrong"))))
    if any(one.get("recall") for one in figures):
        columns.append(Column("recall", "recall", lambda one: percent((one.get("recall") or {}).get("mean"))))
    return columns


def _percentile_reader(name: str, which: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda figures: shown_percentile(metric_of(figures, name), which)


def operations_section(facts: Facts) -> list[str]:
    """A table of services and operations; empty where there is one of them only."""
    rows = rows_of(facts)
    if not rows:
        return []
    columns = columns_of(rows)
    cells = [(row.name, *(column.read(row.figures) for column in columns)) for row in rows]
    title, first = ("## Services", "service") if facts.is_several else ("## Operations", "operation")
    return [title, "", *table((first, *(column.head for column in columns)), cells)]


def operations_of_points(sweep: Sweep) -> list[str]:
    """The same for every point of a sweep: a line for each operation at each load."""
    found = [(point, row) for point in sweep.points if point.facts.n_succeeded for row in rows_of(point.facts)]
    if not found or sweep.services:
        return []  # of several services each has a row of its own among the points
    columns = columns_of([row for _, row in found])
    cells = [
        (
            *(axis_value(point.axes[axis]) for axis in sweep.axes),
            row.name,
            *(column.read(row.figures) for column in columns),
        )
        for point, row in found
    ]
    return ["## Operations", "", *table((*sweep.axes, "operation", *(column.head for column in columns)), cells)]


def operation_lines(facts: Facts) -> list[tuple[str, ...]]:
    """The same for a terminal, with a head."""
    rows = rows_of(facts)
    if not rows:
        return []
    columns = columns_of(rows)
    return [
        ("", *(column.short for column in columns)),
        *((row.name, *(column.read(row.figures) for column in columns)) for row in rows),
    ]
