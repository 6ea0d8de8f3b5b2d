"""Any server that speaks OpenAI's API. Source: its API reference: chat completions, completions, embeddings, models."""

import re
from typing import Any, ClassVar

from loadgen.plan.files import Prompt
from loadgen.plan.model import Wire
from loadgen.recipe.kinds import TOKEN_METRICS, Kind
from loadgen.recipe.service import LlmService
from loadgen.recipe.workload import LlmWorkload
from loadgen.targets.encoding import encode_get
from loadgen.targets.llm import LlmTarget, chat_messages, plain_text
from loadgen.targets.metrics_page import TIMEOUT_S, has_series, series_in

_PLACES = {
    "chat": "chat/completions",
    "completion": "completions",
    "generate": "completions",
    "embeddings": "embeddings",
}
_OF_THE_MOMENT = frozenset(("created", "permission"))
"""What some servers make up anew for each listing."""

_VERSION_SEGMENT = re.compile(r"/v\d+[a-z0-9]*(/|$)")


class OpenAiTarget(LlmTarget):
    """service.url may end with /v1, or not; whatever version its path names is kept."""

    wire: Wire = Wire.OPENAI
    optional_fields: ClassVar[tuple[str, ...]] = ("stream_options", "ignore_eos")

    @property
    def base_path(self) -> str:
        path = self.url.path
        for place in _PLACES.values():
            path = path.removesuffix(f"/{place}")
        return path if _VERSION_SEGMENT.search(path) else f"{path}/v1"

    def path(self, operation: str) -> str:
        return f"{self.base_path}/{_PLACES[operation]}"

    def body(self, operation: str, prompt: Prompt, output_tokens: int) -> dict[str, Any]:
        if operation == "embeddings":
            return {"model": self.service.model, "input": plain_text(prompt, operation), **self.workload.options}
        asked = self._chat(prompt) if operation == "chat" else self._completion(prompt, operation)
        return {"model": self.service.model, **asked, **self._how(output_tokens), **self.workload.options}

    def _chat(self, prompt: Prompt) -> dict[str, Any]:
        return {"messages": chat_messages(prompt, self.workload.system)}

    def _completion(self, prompt: Prompt, operation: str) -> dict[str, Any]:
        text = plain_text(prompt, operation)
        return {"prompt": f"{self.workload.system}\n\n{text}" if self.workload.system else text}

    def _how(self, output_tokens: int) -> dict[str, Any]:
        how: dict[str, Any] = {"stream": self.workload.stream}
        if "max_completion_tokens" not in self.workload.options:
            how["max_tokens"] = output_tokens
        if self.workload.stream:
            how["stream_options"] = {"include_usage": True}
        if self.workload.ignore_eos:
            how["ignore_eos"] = True
        return how

    def has_usage(self, event: Any) -> bool:
        return isinstance(event, dict) and isinstance(event.get("usage"), dict)

    def sample(self) -> dict[str, Any] | None:
        """The page of metrics that vLLM, llama.cpp and others have beside their API. Raises TargetError."""
        if self._metrics_path is None:
            return None
        return series_in(self._send(encode_get(self._metrics_path, self._headers), TIMEOUT_S), self.url.public)

    def _find_metrics(self) -> str | None:
        """Where the page is: beside /v1, not below it."""
        path = f"{self.base_path.removesuffix('/v1')}/metrics"
        self._metrics_path = path if has_series(self.get_answer(path)) else None
        return None if self._metrics_path is None else f"{self.url.scheme}://{self.url.host_header}{path}"

    _metrics_path: str | None = None

    def model_names(self) -> list[str] | None:
        entries = self._models()
        return None if entries is None else [str(entry["id"]) for entry in entries]

    def _models(self) -> list[dict[str, Any]] | None:
        listing = self.get(f"{self.base_path}/models")
        entries = listing.get("data") if isinstance(listing, dict) else None
        if not isinstance(entries, list):
            return None
        return [entry for entry in entries if isinstance(entry, dict) and "id" in entry]

    def describe(self) -> dict[str, Any]:
        entries = self._models() or []
        entry = next((entry for entry in entries if self.is_same_model(entry["id"])), None)
        details = entry and {name: entry[name] for name in entry.keys() - _OF_THE_MOMENT}
        return {"model_details": details, "metrics_url": self._find_metrics()}


KIND = Kind(
    LlmService,
    LlmWorkload,
    OpenAiTarget.of,
    TOKEN_METRICS,
    "any server that speaks OpenAI's API: llama.cpp, SGLang, a gateway, a hosted one",
)
