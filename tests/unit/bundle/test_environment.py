"""What a run ran on, and the state of the repository that it was started in."""

import os
import subprocess
from pathlib import Path

import pytest

from loadgen.bundle import describe_client, describe_environment, environment, git_state
from loadgen.bundle.environment import PACKAGES, fingerprint

AS_SOMEONE = ("-c", "user.name=Someone", "-c", "user.email=someone@example.org", "-c", "commit.gpgsign=false")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *AS_SOMEONE, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "recipe.yaml").write_text("service: {kind: simulator}\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_a_clean_repository_gives_its_commit(repository: Path) -> None:
    assert git_state(repository) == (git(repository, "rev-parse", "HEAD"), False)


def test_a_changed_file_makes_it_dirty_and_a_new_one_does_not(repository: Path) -> None:
    (repository / "results").mkdir()
    (repository / "results" / "run.json").write_text("{}")
    assert git_state(repository)[1] is False
    (repository / "recipe.yaml").write_text("service: {kind: ollama}\n")
    assert git_state(repository)[1] is True


def test_a_folder_of_the_repository_has_the_state_of_it_all(repository: Path) -> None:
    below = repository / "below"
    below.mkdir()
    (repository / "recipe.yaml").unlink()
    assert git_state(below) == (git(repository, "rev-parse", "HEAD"), True)


def test_outside_a_repository_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(tmp_path) == (None, None)
    assert git_state(tmp_path / "none") == (None, None)


def test_a_repository_without_a_commit_has_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert git_state(tmp_path) == (None, False)


def test_without_git_nothing_is_known(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    assert git_state(repository) == (None, None)


def test_git_is_called_once(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    run = subprocess.run
    monkeypatch.setattr(environment.subprocess, "run", lambda *a, **k: (calls.append(a), run(*a, **k))[1])
    git_state(repository)
    describe_environment()
    describe_client("native", 1)
    assert len(calls) == 1


def test_the_environment_has_every_key_and_says_what_this_machine_is() -> None:
    facts = describe_environment()
    assert list(facts) == [
        *("loadgen_version", "python", "os", "kernel", "cpu", "memory_bytes", "gpus"),
        *("hardware_fingerprint", "packages"),
    ]
    assert facts["kernel"] == os.uname().release
    assert facts["memory_bytes"] > 2**20
    assert facts["packages"].keys() == set(PACKAGES)
    assert facts["packages"]["numpy"] is not None
    assert len(facts["hardware_fingerprint"]) == 64


def test_a_client_names_its_host_command_and_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setattr(environment.sys, "argv", ["loadgen", "my recipe.yaml"])
    facts = describe_client("native", 2)
    assert list(facts) == [
        *("hostname", "job_id", "command", "engine", "n_threads", "cpu_model", "n_cpus", "kernel"),
    ]
    assert (facts["job_id"], facts["command"]) == ("4711", "loadgen 'my recipe.yaml'")
    assert (facts["engine"], facts["n_threads"]) == ("native", 2)


def test_the_fingerprint_is_that_of_the_hardware() -> None:
    facts = ("Xeon", 2, 2**33, "x86_64")
    assert fingerprint(*facts) == fingerprint(*facts)
    assert fingerprint(*facts) != fingerprint("Xeon", 4, 2**33, "x86_64")


def test_files_that_are_not_there_leave_gaps_and_not_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_lines", lambda path: [])
    facts = describe_environment()
    assert facts["memory_bytes"] > 2**20
    assert facts["os"]
