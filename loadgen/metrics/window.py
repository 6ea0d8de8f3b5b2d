"""The measured window: between warm-up and drain."""

from dataclasses import dataclass

from loadgen.units import s_from_ns


@dataclass(frozen=True)
class Window:
    """from_ns <= instant < to_ns, ns since the run began. Empty where a run ended before its warm-up did."""

    from_ns: int
    to_ns: int

    @property
    def s(self) -> float:
        return s_from_ns(max(self.to_ns - self.from_ns, 0))
