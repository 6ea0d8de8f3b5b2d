"""What pynvml answers and raises: values as an H100 gives them, and as one under MIG does."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


class NVMLError(Exception):
    """As pynvml's: says what went wrong."""


class NVMLError_NotSupported(NVMLError):  # noqa: N801, RUF100 - pynvml's own name
    def __str__(self) -> str:
        return "Not Supported"


class NVMLError_FunctionNotFound(NVMLError):
    def __str__(self) -> str:
        return "Function Not Found"


class NVMLError_NoPermission(NVMLError):
    def __str__(self) -> str:
        return "Insufficient Permissions"


class NVMLError_GpuIsLost(NVMLError):
    def __str__(self) -> str:
        return "GPU is lost"


SM, MEMORY = 1, 2

H100: dict[str, Any] = {
    "Name": "NVIDIA H100 80GB HBM3",
    "EnforcedPowerLimit": 700_000,
    "PowerUsage": 412_345,
    "TotalEnergyConsumption": 9_876_543_210,
    "UtilizationRates": SimpleNamespace(gpu=97, memory=41),
    "MemoryInfo": SimpleNamespace(total=85_520_809_984, free=10_000_000_000, used=75_520_809_984),
    "ClockInfo": {SM: 1980, MEMORY: 2619},
    "Temperature": 63,
    "CurrentClocksEventReasons": 0x4 | 0x40,
}
UNDER_MIG: dict[str, Any] = {
    **H100,
    "Name": b"NVIDIA H100 80GB HBM3",
    "UtilizationRates": NVMLError_NotSupported(),
    "TotalEnergyConsumption": NVMLError_NotSupported(),
    "CurrentClocksEventReasons": NVMLError_NoPermission(),
    "Temperature": NVMLError_FunctionNotFound(),
}


class RecordedNvml:
    """Stands where the module pynvml does. cards: by the rest of the function's name (nvmlDeviceGet…), what it gives or
    raises; a mapping is asked by the function's second argument.
    """

    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = SM, MEMORY, 0
    NVMLError = NVMLError
    NVMLError_NotSupported = NVMLError_NotSupported
    NVMLError_FunctionNotFound = NVMLError_FunctionNotFound
    NVMLError_NoPermission = NVMLError_NoPermission

    def __init__(self, *cards: dict[str, Any]) -> None:
        self.cards = cards
        self.is_shut = False

    def nvmlDeviceGetCount(self) -> int:
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> dict[str, Any]:
        return self.cards[index]

    def nvmlShutdown(self) -> None:
        self.is_shut = True

    def __getattr__(self, name: str) -> Callable[..., Any]:
        asked = name.removeprefix("nvmlDeviceGet")
        if asked == name or not any(asked in card for card in self.cards):
            raise AttributeError(name)

        def answer(card: dict[str, Any], *arguments: Any) -> Any:
            value = card[asked]
            if isinstance(value, Exception):
                raise value
            return value[arguments[0]] if isinstance(value, dict) else value

        return answer
