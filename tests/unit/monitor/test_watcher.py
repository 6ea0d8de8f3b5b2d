"""The watcher beside a load: when it looks, what it writes, and what it makes of sources that fail."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from loadgen.bundle.monitor import Sample, read_samples
from loadgen.monitor.server import ServerSource
from loadgen.monitor.watcher import MOST_OF_A_CORE, Look, Source, Watcher


class Clock:
    origin_ns = 0


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def monitor_path(self, name: str) -> Path:
        return self.path / name


class Counting:
    """Counts its looks, and fails at those that are named."""

    def __init__(self, name: str, fails_at: Sequence[int] = (), ends_at: int | None = None) -> None:
        self.name, self.settles_s, self.notes = name, 0.0, list[str]()
        self.fails_at, self.ends_at = fails_at, ends_at
        self.n, self.is_closed = 0, False
        self.has_looked = asyncio.Event()

    def look(self) -> list[Look] | None:
        self.n += 1
        if self.n in self.fails_at:
            raise RuntimeError("no answer, secret-word")
        return None if self.n == self.ends_at else [Look({"n": self.n, "text": "secret-word"})]

    def close(self) -> None:
        self.is_closed = True


def watched(
    folder: Path, sources: list[Source], n_looks: int = 4, every_s: float = 0.005
) -> tuple[Watcher, Callable[[str], tuple[Sample, ...]]]:
    """A load that lasts until the first source was looked at so often."""
    clock = Clock()

    async def load() -> Watcher:
        watcher = Watcher(
            sources, Folder(folder), clock, lambda text: text.replace("secret-word", "***"), every_s=every_s
        )
        async with watcher:
            clock.origin_ns = time.monotonic_ns()
            while sources[0].n < n_looks and not sources[0].is_closed:  # type: ignore[attr-defined]
                await asyncio.sleep(0.001)
        return watcher

    watcher = asyncio.run(asyncio.wait_for(load(), 60))
    return watcher, lambda name: read_samples(folder / f"{name}.jsonl")


def test_the_first_look_is_before_the_load_and_the_last_after_it(tmp_path: Path) -> None:
    source = Counting("host")
    _, samples = watched(tmp_path, [source])
    looks = samples("host")
    assert [look.values["n"] for look in looks] == list(range(1, source.n + 1))
    assert source.n >= 5  # one more than the load waited for
    instants = [look.at_ns for look in looks]
    assert instants[0] == 0
    assert instants[1] > 0
    assert instants == sorted(instants)
    assert source.is_closed


def test_a_load_that_never_begins_is_looked_at_before_and_after(tmp_path: Path) -> None:
    async def load() -> None:
        async with Watcher([Counting("host")], Folder(tmp_path), Clock(), str):
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(load(), 60))
    assert [look.at_ns for look in read_samples(tmp_path / "host.jsonl")] == [0, 0]


def test_what_the_load_raises_passes_and_the_last_look_is_taken(tmp_path: Path) -> None:
    source = Counting("host")

    async def load() -> None:
        async with Watcher([source], Folder(tmp_path), Clock(), str):
            raise ValueError("the load's own")

    with pytest.raises(ValueError, match="the load's own"):
        asyncio.run(asyncio.wait_for(load(), 60))
    assert source.n == 2
    assert source.is_closed


def test_a_source_that_fails_is_noted_once_and_asked_again(tmp_path: Path) -> None:
    failing, other = Counting("host", fails_at=(2, 3)), Counting("client")
    watcher, samples = watched(tmp_path, [failing, other], n_looks=5)
    assert len(watcher.notes) == 1
    assert watcher.notes[0].startswith("monitor/host.jsonl: at ")
    assert watcher.notes[0].endswith("it could not be watched: no answer, ***")
    assert [look.values["n"] for look in samples("host")][:3] == [1, 4, 5]
    assert len(samples("client")) >= 2


def test_a_source_with_nothing_to_say_has_no_file_and_is_not_asked_again(tmp_path: Path) -> None:
    silent = Counting("gpu", ends_at=1)
    watcher, samples = watched(tmp_path, [Counting("host"), silent])
    assert (silent.n, samples("gpu")) == (1, ())
    assert not (tmp_path / "gpu.jsonl").exists()
    assert watcher.notes == []


def test_a_source_that_ends_on_the_way_keeps_what_it_said(tmp_path: Path) -> None:
    ending = Counting("server", ends_at=3)
    _, samples = watched(tmp_path, [Counting("host"), ending])
    assert (ending.n, len(samples("server"))) == (3, 2)


def test_nothing_secret_is_written_in_keys_values_or_notes(tmp_path: Path) -> None:
    class Telling(Counting):
        def look(self) -> list[Look]:
            self.n += 1
            self.notes = ["the secret-word of a source"]
            return [Look({'series{url="secret-word"}': 1, "text": "a secret-word"})]

    watcher, _ = watched(tmp_path, [Telling("server")])
    everything = (tmp_path / "server.jsonl").read_text() + "".join(watcher.notes)
    assert "secret-word" not in everything
    assert watcher.notes == ["the *** of a source"]


def test_a_file_that_cannot_be_written_is_noted_and_ends_its_source_only(tmp_path: Path) -> None:
    (tmp_path / "client.jsonl").mkdir()
    barred = Counting("client")
    watcher, samples = watched(tmp_path, [Counting("host"), barred])
    assert barred.n == 1
    assert len(samples("host")) >= 5
    (note,) = watcher.notes
    assert "it could not be written any more: Is a directory" in note


def test_sources_that_cost_much_are_asked_less_often_all_together(tmp_path: Path) -> None:
    class Costly(Counting):
        def look(self) -> list[Look] | None:
            until_s = time.thread_time() + 0.002
            while time.thread_time() < until_s:
                pass
            return super().look()

    watcher, _ = watched(tmp_path, [Costly("host"), Costly("client")], n_looks=2)
    assert watcher.pause_s >= 0.004 / MOST_OF_A_CORE


class Server:
    """Says what stands in its list, one entry a look; an exception is raised."""

    def __init__(self, *says: Any) -> None:
        self.says = list(says)

    def sample(self) -> dict[str, Any] | None:
        said = self.says.pop(0)
        if isinstance(said, Exception):
            raise said
        return said  # type: ignore[no-any-return]


def test_each_server_is_asked_by_its_name_until_it_has_nothing_to_say() -> None:
    source = ServerSource({"a": Server({"x": 1}, None), "b": Server({"y": 2}, {"y": 3}), "c": Server(None)})
    assert source.look() == [Look({"x": 1}, "a"), Look({"y": 2}, "b")]
    assert source.look() == [Look({"y": 3}, "b")]


def test_a_server_that_is_gone_for_a_while_is_noted_once_and_comes_back() -> None:
    source = ServerSource({"": Server({"x": 1}, OSError("refused"), OSError("refused"), {"x": 4})})
    looks = [source.look() for _ in range(4)]
    assert looks == [[Look({"x": 1})], [], [], [Look({"x": 4})]]
    assert source.notes == ["monitor/server.jsonl: could not be asked at times: refused"]


@pytest.mark.parametrize("is_expected", [True, False])
def test_a_server_that_cannot_be_asked_at_first_is_noted_only_where_the_recipe_names_it(is_expected: bool) -> None:
    source = ServerSource({"": Server(OSError("refused"))}, is_expected)
    assert source.look() is None
    assert source.notes == (["monitor.server: nothing is watched: refused"] if is_expected else [])


def test_a_line_is_flat_json(tmp_path: Path) -> None:
    watched(tmp_path, [Counting("host")])
    line = json.loads((tmp_path / "host.jsonl").read_text().splitlines()[0])
    assert line == {"at_ns": 0, "n": 1, "text": "***"}
