"""NVIDIA cards, asked through their driver's library (NVML). Source: NVML API reference; package nvidia-ml-py.

The library is handed in, so that what is here runs without a card too.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadgen.monitor.watcher import Look

DRIVER = Path("/proc/driver/nvidia/gpus")

THROTTLING = {
    0x2: "application clocks",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal",
    0x40: "hardware thermal",
    0x80: "power brake",
    0x100: "display clocks",
}
"""What keeps the clocks below what they could be, by NVML's bit. Being idle (0x1) is no throttling."""

MILLI = 1e-3


class NoCards(Exception):
    """Why no card can be asked, in one line."""


class GpuSource:
    """A line for each card and look. What a card does not tell (an older one, a part of one under MIG) is None."""

    name, settles_s = "gpu", 0.0

    def __init__(self, nvml: Any) -> None:
        """nvml: the module pynvml, nvmlInit() called. Raises NoCards."""
        self.notes: list[str] = []
        self._nvml = nvml
        try:
            self._cards = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        except nvml.NVMLError as error:
            raise NoCards(str(error)) from None
        if not self._cards:
            raise NoCards("the driver lists no card")
        self._not_told = (nvml.NVMLError_NotSupported, nvml.NVMLError_FunctionNotFound, nvml.NVMLError_NoPermission)
        self._known = [self._named(card) for card in self._cards]

    def look(self) -> list[Look]:
        return [
            Look({"gpu": number, **known, **self._values(number, card)})
            for number, (card, known) in enumerate(zip(self._cards, self._known, strict=True))
        ]

    def close(self) -> None:
        self._nvml.nvmlShutdown()

    def _named(self, card: Any) -> dict[str, Any]:
        """What does not change. Older versions of the package give names as bytes."""
        name = self._asked(0, self._nvml.nvmlDeviceGetName, card)
        limit_mw = self._asked(0, self._nvml.nvmlDeviceGetEnforcedPowerLimit, card)
        return {
            "name": name.decode("utf-8", "replace") if isinstance(name, bytes) else name,
            "power_limit_w": _scaled(limit_mw, MILLI),
        }

    def _values(self, number: int, card: Any) -> dict[str, Any]:
        nvml = self._nvml

        def asked(function: str, *arguments: Any) -> Any:
            return self._asked(number, getattr(nvml, function), card, *arguments)

        use, memory = asked("nvmlDeviceGetUtilizationRates"), asked("nvmlDeviceGetMemoryInfo")
        return {
            "power_w": _scaled(asked("nvmlDeviceGetPowerUsage"), MILLI),
            "energy_j": _scaled(asked("nvmlDeviceGetTotalEnergyConsumption"), MILLI),
            "utilisation_ratio": None if use is None else use.gpu / 100,
            "memory_busy_ratio": None if use is None else use.memory / 100,
            "memory_used_bytes": None if memory is None else memory.used,
            "memory_total_bytes": None if memory is None else memory.total,
            "sm_clock_mhz": asked("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM),
            "memory_clock_mhz": asked("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM),
            "temperature_c": asked("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
            "throttled_by": throttled_by(asked(_name_of_reasons(nvml))),
        }

    def _asked(self, number: int, function: Callable[..., Any], *arguments: Any) -> Any:
        """None where the card does not tell. A card that is lost, say, is noted once."""
        try:
            return function(*arguments)
        except self._not_told:
            return None
        except self._nvml.NVMLError as error:
            note = f"monitor/gpu.jsonl: card {number} could not be asked at times: {error}"
            if note not in self.notes:
                self.notes.append(note)
            return None


def open_nvml() -> Any:
    """The library, ready to be asked. Raises NoCards."""
    try:
        import pynvml
    except ImportError:
        raise NoCards("it needs the package nvidia-ml-py: pip install 'loadgen[gpu]'") from None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise NoCards(f"the driver cannot be asked ({error})") from None
    return pynvml


def has_driver() -> bool:
    """Whether this host has cards that a person would expect to see."""
    return DRIVER.is_dir()


def throttled_by(reasons: int | None) -> str | None:
    """In words, joined by commas; "" where nothing holds the clocks back."""
    return None if reasons is None else ", ".join(words for bit, words in THROTTLING.items() if reasons & bit)


def _name_of_reasons(nvml: Any) -> str:
    """The newer name of the function, where the package has it."""
    newer = "nvmlDeviceGetCurrentClocksEventReasons"
    return newer if hasattr(nvml, newer) else "nvmlDeviceGetCurrentClocksThrottleReasons"


def _scaled(value: int | None, factor: float) -> float | None:
    return None if value is None else round(value * factor, 6)
