"""What MinIO says of itself, at an address that needs no key where MINIO_PROMETHEUS_AUTH_TYPE is public.

Sources: Prometheus, "Text-based format"; MinIO, "Metrics version 2".
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

PATH = "/minio/v2/metrics/cluster"

_SAMPLE = re.compile(r"(?m)^(?P<name>[a-z0-9_]+)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)$")
_VERSION = re.compile(r'minio_software_version_info\{[^}]*version="([^"]+)"')

_SAMPLED = {
    "requests": "minio_s3_requests_total",
    "errors_4xx": "minio_s3_requests_4xx_errors_total",
    "errors_5xx": "minio_s3_requests_5xx_errors_total",
    "requests_in_flight": "minio_s3_requests_inflight_total",
    "requests_waiting": "minio_s3_requests_waiting_total",
    "received_bytes": "minio_s3_traffic_received_bytes",
    "sent_bytes": "minio_s3_traffic_sent_bytes",
    "free_bytes": "minio_cluster_capacity_usable_free_bytes",
    "drives_online": "minio_cluster_drive_online_total",
    "read_from_disk_bytes": "minio_node_io_read_bytes",
    "written_to_disk_bytes": "minio_node_io_write_bytes",
    "resident_memory_bytes": "minio_node_process_resident_memory_bytes",
    "cpu_s": "minio_node_process_cpu_total_seconds",
    "open_files": "minio_node_file_descriptor_open_total",
}
"""What a sample calls it, and what MinIO does."""


class Sample(NamedTuple):
    """One line of the text."""

    name: str
    value: float


def sampled(text: str) -> dict[str, Any]:
    """Those of interest, summed over their labels (nodes, kinds of request). What is not there has not happened yet."""
    sums: dict[str, float] = {}
    for sample in _samples(text):
        sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    known = ((name, sums.get(of_minio)) for name, of_minio in _SAMPLED.items())
    return {name: _whole(value) for name, value in known if value is not None}


def version_of(text: str) -> str | None:
    found = _VERSION.search(text)
    return None if found is None else found[1]


def _samples(text: str) -> Iterator[Sample]:
    for found in _SAMPLE.finditer(text):
        try:
            yield Sample(found["name"], float(found["value"]))
        except ValueError:
            continue


def _whole(value: float) -> int | float:
    return int(value) if value.is_integer() else value
