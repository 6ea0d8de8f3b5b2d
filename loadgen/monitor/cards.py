"""What the looks at the cards come to: power, energy, how busy they were."""

from typing import Any

from loadgen.bundle.monitor import Sample
from loadgen.monitor.means import Growth, Held, Level, Mean, Span, number, rounded

LEVELS = ("utilisation_ratio", "memory_busy_ratio", "memory_used_bytes", "sm_clock_mhz", "memory_clock_mhz")
STANDING = ("name", "power_limit_w", "memory_total_bytes")


class Cards:
    """All cards of a host. see() takes a line of gpu.jsonl after the other."""

    def __init__(self, window: Span) -> None:
        self._window = window
        self._cards: dict[Any, _Card] = {}

    def see(self, sample: Sample) -> None:
        number_of_card = sample.values.get("gpu")
        if number_of_card not in self._cards:
            self._cards[number_of_card] = _Card(self._window)
        self._cards[number_of_card].see(sample)

    @property
    def figures(self) -> list[dict[str, Any]]:
        return [{"gpu": name, **card.figures} for name, card in self._cards.items()]

    @property
    def mean_power_w(self) -> float | None:
        """Of all cards together; None where one does not tell, and where there is none."""
        each = [card.mean_power_w for card in self._cards.values()]
        return sum(power for power in each if power is not None) if each and None not in each else None


class _Card:
    def __init__(self, window: Span) -> None:
        self._window = window
        self._standing: dict[str, Any] = {}
        self._energy, self._power, self._temperature = Growth(window), Level(window), Level(window)
        self._levels: dict[str, Mean] = {name: Level(window) for name in LEVELS}
        self._throttled: dict[str, Held] = {}
        self._told = Held(window)

    def see(self, sample: Sample) -> None:
        at_ns, values = sample.at_ns, sample.values
        self._standing |= {name: values[name] for name in STANDING if values.get(name) is not None}
        for name, level in self._levels.items():
            level.see(at_ns, number(values.get(name)))
        self._power.see(at_ns, number(values.get("power_w")))
        self._temperature.see(at_ns, number(values.get("temperature_c")))
        if at_ns > 0:  # the first look was some time before the run's instant 0, for which it stands
            self._energy.see(at_ns, number(values.get("energy_j")))
        self._see_throttling(at_ns, values.get("throttled_by"))

    def _see_throttling(self, at_ns: int, reasons: Any) -> None:
        is_told = isinstance(reasons, str)
        now = [reason for reason in reasons.split(", ") if reason] if is_told else []
        self._told.see(at_ns, 1.0 if is_told else None)
        for reason in now:
            if reason not in self._throttled:
                self._throttled[reason] = Held(self._window)
        for reason, held in self._throttled.items():
            held.see(at_ns, float(reason in now) if is_told else None)

    @property
    def _source(self) -> Mean | None:
        """The card's own counter where it has one; else its power, look by look."""
        return next((mean for mean in (self._energy, self._power) if mean.value is not None), None)

    @property
    def mean_power_w(self) -> float | None:
        return None if self._source is None else self._source.value

    @property
    def figures(self) -> dict[str, Any]:
        power, source = self._power.figure, self._source
        mean_w = self.mean_power_w
        levels = {name: level.figure for name, level in self._levels.items()}
        return {
            **{name: self._standing.get(name) for name in STANDING},
            "mean_power_w": None if mean_w is None else rounded(mean_w),
            "max_power_w": None if power is None else power["max"],
            "energy_j": None if mean_w is None else rounded(mean_w * self._window.s),
            "energy_from": None if source is None else "counter" if source is self._energy else "power",
            **levels,
            "temperature_c": self._temperature.figure,
            "throttled": self._shares_of_throttling(),
        }

    def _shares_of_throttling(self) -> dict[str, float] | None:
        """By reason, the share of the time; None where the card does not tell."""
        told_s = self._told.seconds
        if told_s <= 0:
            return None
        shares = {reason: (held.value or 0.0) * held.seconds / told_s for reason, held in self._throttled.items()}
        return {reason: rounded(share) for reason, share in shares.items() if share > 0}
