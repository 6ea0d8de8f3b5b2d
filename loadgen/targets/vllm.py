"""vLLM: OpenAI's API, and what its server says of itself."""

from typing import Any

from loadgen.recipe.kinds import TOKEN_METRICS, Kind
from loadgen.recipe.service import LlmService
from loadgen.recipe.workload import LlmWorkload
from loadgen.targets.openai import OpenAiTarget


class VllmTarget(OpenAiTarget):
    """/version and /metrics lie beside /v1, not below it."""

    def describe(self) -> dict[str, Any]:
        root = self.base_path.removesuffix("/v1")
        version = self.get(f"{root}/version")
        metrics = self.get_answer(f"{root}/metrics")
        has_metrics = metrics is not None and metrics.status == 200 and not metrics.is_html
        return {
            **super().describe(),
            "version": version.get("version") if isinstance(version, dict) else None,
            "metrics_url": f"{self.url.scheme}://{self.url.host_header}{root}/metrics" if has_metrics else None,
        }


KIND = Kind(LlmService, LlmWorkload, VllmTarget.of, TOKEN_METRICS, "vLLM, in OpenAI's API")
