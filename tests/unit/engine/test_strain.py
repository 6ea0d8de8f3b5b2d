"""What an engine can say of the host that it ran on."""

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest

from loadgen.engine import strain
from loadgen.engine.strain import LoopProbe, StrainWatch, cpu_limit, cpu_wait_ns

needs_linux = pytest.mark.skipif(not Path("/proc/thread-self/schedstat").exists(), reason="Linux says it")


def spin(seconds: float) -> None:
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        pass


@needs_linux
def test_shares_lie_between_nothing_and_all() -> None:
    watch = StrainWatch()
    spin(0.3)
    found = watch.ended([cpu_wait_ns()])
    assert found.elapsed_s >= 0.3
    for ratio in (found.host_cpu_ratio, found.steal_ratio, found.starved_ratio):
        assert ratio is not None
        assert 0 <= ratio <= 1
    assert found.host_cpu_ratio
    assert found.loop_lags_ns is None


@needs_linux
def test_a_thread_that_shares_its_cpu_waits_for_it() -> None:
    """Two threads of this process could not show it: the interpreter lets one of them sleep."""
    cpu = min(os.sched_getaffinity(0))
    waited: list[int | None] = []

    def run_pinned() -> None:
        os.sched_setaffinity(0, {cpu})
        pid = os.posix_spawn("/bin/sh", ["sh", "-c", "while :; do :; done"], os.environ)  # inherits the CPU
        try:
            spin(0.5)
            waited.append(cpu_wait_ns())
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)

    thread = threading.Thread(target=run_pinned)
    thread.start()
    thread.join()
    assert waited[0] is not None
    assert waited[0] > 0.1 * 1e9


def test_the_affinity_limits_the_cpus() -> None:
    limit = cpu_limit()
    assert limit is not None
    assert 0 < limit <= (os.cpu_count() or 0)


@pytest.mark.parametrize(
    ("line", "files", "quota"),
    [
        ("0::/a/b", {"a/cpu.max": "50000 100000", "a/b/cpu.max": "max 100000"}, 0.5),
        ("0::/a/b", {"a/cpu.max": "max 100000", "a/b/cpu.max": "20000 100000"}, 0.2),
        ("0::/", {"cpu.max": "150000 100000"}, 1.5),
        (
            "2:cpu,cpuacct:/a",
            {"cpu,cpuacct/a/cpu.cfs_quota_us": "20000", "cpu,cpuacct/a/cpu.cfs_period_us": "100000"},
            0.2,
        ),
        ("1:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("5:memory:/a", {"memory/a/cpu.max": "20000 100000"}, None),
        ("0::/gone", {}, None),
    ],
)
def test_a_quota_of_any_cgroup_above_is_found(
    line: str, files: dict[str, str], quota: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    monkeypatch.setattr(strain, "_CGROUPS", tmp_path)
    _, controllers, path_in = line.split(":", 2)
    folders = strain._folders_of(controllers, path_in.strip("/"))
    found = [strain._quota_v2(one) if not controllers else strain._quota_v1(one) for one in folders]
    assert min((one for one in found if one is not None), default=None) == quota


def test_a_loop_that_is_held_up_is_found_late() -> None:
    async def hold_up() -> list[int]:
        probe = LoopProbe(asyncio.get_running_loop())
        for _ in range(10):
            await asyncio.sleep(0.01)
            time.sleep(0.1)
        probe.close()
        await asyncio.sleep(0)
        return list(probe.lags_ns)

    lags_ns = asyncio.run(hold_up())
    assert len(lags_ns) > 10
    assert max(lags_ns) > 0.05 * 1e9
    assert min(lags_ns) >= 0
