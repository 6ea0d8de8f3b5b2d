"""What is watched beside a run: which sources there are, by its recipe."""

import socket
from collections.abc import Mapping

from loadgen.engine import Live
from loadgen.engine.contract import Address
from loadgen.monitor.client import ClientSource
from loadgen.monitor.gpu import GpuSource, NoCards, has_driver, open_nvml
from loadgen.monitor.host import HostSource
from loadgen.monitor.server import Sampled, ServerSource
from loadgen.monitor.watcher import Places, Source, Watcher
from loadgen.recipe import Recipe
from loadgen.recipe.service import Tls
from loadgen.targets.metrics_page import MetricsPage


def watcher_of(recipe: Recipe, places: Places, services: Mapping[str, Sampled], live: Live) -> Watcher:
    """services: the targets of the run, by name."""
    asked = recipe.watched
    sources: list[Source] = []
    notes: list[str] = []
    if asked.host:
        sources.append(HostSource())
    if asked.gpu:
        sources += _cards(notes, is_expected="gpu" in asked.model_fields_set or has_driver())
    if isinstance(asked.server, str):
        page = MetricsPage(asked.server, getattr(recipe.service, "tls", Tls()))
        sources.append(ServerSource({"": page}, is_expected=True))
    elif asked.server:
        sources.append(ServerSource(services))
    if asked.client:
        sources.append(ClientSource(live))
    watcher = Watcher(sources, places, live, recipe.redacted, asked.every_s)
    watcher.notes += notes
    return watcher


def _cards(notes: list[str], is_expected: bool) -> list[Source]:
    """None on most hosts, which is worth a note only where a person would expect some."""
    try:
        return [GpuSource(open_nvml())]
    except NoCards as reason:
        if is_expected:
            notes.append(f"monitor.gpu: no NVIDIA card is watched: {reason}")
        return []


def is_on_this_host(address: Address) -> bool:
    """Whether a service is: then this host's cards are its cards. Only an address of one's own can be bound to."""
    if address.family == socket.AF_UNIX:
        return True
    try:
        with socket.socket(address.family, socket.SOCK_DGRAM) as probe:
            probe.bind((address.host, 0))
    except OSError:
        return False
    return True
