"""NVIDIA cards: a recorded driver's answers, and a real one's where there is one."""

from typing import Any

import pytest
from recorded_nvml import H100, UNDER_MIG, NVMLError, NVMLError_GpuIsLost, RecordedNvml

from loadgen.monitor.gpu import GpuSource, NoCards, open_nvml, throttled_by


def values_of(*cards: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(look.values) for look in GpuSource(RecordedNvml(*cards)).look()]


def test_a_card_says_all_of_itself_in_the_units_of_the_names() -> None:
    assert values_of(H100) == [
        {
            "gpu": 0,
            "name": "NVIDIA H100 80GB HBM3",
            "power_limit_w": 700.0,
            "power_w": 412.345,
            "energy_j": 9_876_543.21,
            "utilisation_ratio": 0.97,
            "memory_busy_ratio": 0.41,
            "memory_used_bytes": 75_520_809_984,
            "memory_total_bytes": 85_520_809_984,
            "sm_clock_mhz": 1980,
            "memory_clock_mhz": 2619,
            "temperature_c": 63,
            "throttled_by": "power cap, hardware thermal",
        }
    ]


def test_what_a_card_does_not_tell_is_null_and_no_fault() -> None:
    source = GpuSource(RecordedNvml(H100, UNDER_MIG))
    first, second = source.look()
    assert (first.values["gpu"], second.values["gpu"]) == (0, 1)
    assert {name for name, value in second.values.items() if value is None} == {
        "utilisation_ratio",
        "memory_busy_ratio",
        "energy_j",
        "throttled_by",
        "temperature_c",
    }
    assert second.values["name"] == "NVIDIA H100 80GB HBM3"
    assert second.values["power_w"] == 412.345
    assert source.notes == []


def test_a_card_that_is_lost_is_noted_once_and_the_other_goes_on() -> None:
    lost = {**H100, "PowerUsage": NVMLError_GpuIsLost(), "TotalEnergyConsumption": NVMLError_GpuIsLost()}
    source = GpuSource(RecordedNvml(lost, H100))
    for _ in range(3):
        looks = source.look()
    assert [look.values["power_w"] for look in looks] == [None, 412.345]
    assert source.notes == ["monitor/gpu.jsonl: card 0 could not be asked at times: GPU is lost"]


def test_the_older_name_of_the_reasons_is_known() -> None:
    older = {name: value for name, value in H100.items() if name != "CurrentClocksEventReasons"}
    assert values_of({**older, "CurrentClocksThrottleReasons": 0x8})[0]["throttled_by"] == "hardware slowdown"


@pytest.mark.parametrize(
    ("reasons", "words"),
    [(None, None), (0, ""), (0x1, ""), (0x21, "software thermal"), (0x180, "power brake, display clocks")],
)
def test_throttling_is_in_words_and_idleness_is_none(reasons: int | None, words: str | None) -> None:
    assert throttled_by(reasons) == words


def test_a_host_without_cards_says_so() -> None:
    with pytest.raises(NoCards, match="the driver lists no card"):
        GpuSource(RecordedNvml())

    class Broken(RecordedNvml):
        def nvmlDeviceGetCount(self) -> int:
            raise NVMLError("Unknown Error")

    with pytest.raises(NoCards, match="Unknown Error"):
        GpuSource(Broken(H100))


def test_the_library_is_given_back() -> None:
    nvml = RecordedNvml(H100)
    GpuSource(nvml).close()
    assert nvml.is_shut


def test_the_real_library_answers_or_says_why_not() -> None:
    """On a host with a card, all of it against the driver itself."""
    try:
        source = GpuSource(open_nvml())
    except NoCards as reason:
        pytest.skip(f"no NVIDIA card to ask here: {reason}")
    try:
        for look in source.look():
            assert look.values["name"]
            assert look.values["memory_total_bytes"] > 0
            assert look.values["power_w"] is None or look.values["power_w"] > 0
    finally:
        source.close()
