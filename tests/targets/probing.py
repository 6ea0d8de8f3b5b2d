"""What every test of the probe needs: a target at a scripted server, and what comes of preparing it."""

import asyncio
from typing import Any

import pytest

from loadgen.errors import TargetError
from loadgen.recipe import recipe_from_dict
from loadgen.targets import Readiness, Target, target_for
from tests.targets.scripted_http import Asked, Script, answer, events, scripted

CHAT = "POST /v1/chat/completions"
CONTENT = {"choices": [{"delta": {"content": "Hi"}}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
GOOD = events(CONTENT, USAGE)


def target_at(url: str, kind: str = "openai", service: dict[str, Any] | None = None, **workload: Any) -> Target:
    described = {"kind": kind, "url": url, "model": "m", **(service or {})}
    return target_for(recipe_from_dict({"service": described, "workload": workload}))


def script_of(answers: dict[str, bytes | None]) -> Script:
    return lambda asked: answers.get(asked.call, answer({"error": "no such page"}, 404))


def prepared(script: Script, kind: str = "openai", **options: Any) -> tuple[Readiness, Target, list[Asked]]:
    async def prepare() -> tuple[Readiness, Target, list[Asked]]:
        async with scripted(script) as server:
            target = target_at(server.url, kind, **options)
            return await target.prepare(), target, server.asked

    return asyncio.run(prepare())


def complaint_of(script: Script, kind: str = "openai", **options: Any) -> str:
    with pytest.raises(TargetError) as caught:
        prepared(script, kind, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)
