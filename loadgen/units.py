"""Units: the only place where one is turned into another."""

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


def ns_from_s(seconds: float) -> int:
    """Whole nanoseconds, rounded to the nearest."""
    return round(seconds * NS_PER_S)


def s_from_ns(ns: float) -> float:
    return ns / NS_PER_S


def ms_from_ns(ns: float) -> float:
    return ns / NS_PER_MS
