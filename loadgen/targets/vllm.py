"""vLLM: OpenAI's API, and what its server says of itself."""

from typing import Any

from loadgen.recipe.kinds import TOKEN_METRICS, Kind
from loadgen.recipe.service import LlmService
from loadgen.recipe.workload import LlmWorkload
from loadgen.targets.openai import OpenAiTarget


class VllmTarget(OpenAiTarget):
    """/version lies beside /v1, not below it."""

    def describe(self) -> dict[str, Any]:
        root = self.base_path.removesuffix("/v1")
        version = self.get(f"{root}/version")
        return {
            **super().describe(),
            "version": version.get("version") if isinstance(version, dict) else None,
        }


KIND = Kind(LlmService, LlmWorkload, VllmTarget.of, TOKEN_METRICS, "vLLM, in OpenAI's API")
