"""What MinIO says of itself, at an address that needs no key where MINIO_PROMETHEUS_AUTH_TYPE is public.

Sources: Prometheus, "Text-based format"; MinIO, "Metrics version 2".
"""

import re
from typing import Any

from loadgen.monitor.prometheus import readings_of

PATH = "/minio/v2/metrics/cluster"

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


def sampled(text: str) -> dict[str, Any]:
    """Those of interest, summed over their labels (nodes, kinds of request). What is not there has not happened yet.

    Raises ValueError for a text that is no page of metrics.
    """
    sums: dict[str, int | float] = {}
    for reading in readings_of(text):
        sums[reading.name] = sums.get(reading.name, 0) + reading.value
    return {name: sums[of_minio] for name, of_minio in _SAMPLED.items() if of_minio in sums}


def version_of(text: str) -> str | None:
    found = _VERSION.search(text)
    return None if found is None else found[1]
