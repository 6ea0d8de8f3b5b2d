"""Ollama's own API. Source: docs/api.md of the Ollama project."""

from typing import Any

from loadgen.plan.files import Prompt
from loadgen.plan.model import Wire
from loadgen.recipe.kinds import TOKEN_METRICS, Kind
from loadgen.recipe.service import LlmService
from loadgen.recipe.workload import LlmWorkload
from loadgen.targets.llm import LlmTarget, chat_messages, plain_text
from loadgen.targets.probe import Answer
from loadgen.units import NS_PER_S

_PLACES = {
    "chat": "/api/chat",
    "completion": "/api/generate",
    "generate": "/api/generate",
    "embeddings": "/api/embed",
}
_BESIDE_OPTIONS = frozenset(
    (
        "format",
        "keep_alive",
        "think",
        "template",
        "raw",
        "suffix",
        "images",
        "context",
        "tools",
        "truncate",
        "dimensions",
    )
)
"""Fields of the request itself; everything else is a parameter of the model and goes into its `options`."""


class OllamaTarget(LlmTarget):
    wire: Wire = Wire.OLLAMA

    def path(self, operation: str) -> str:
        return self.url.path + _PLACES[operation]

    def body(self, operation: str, prompt: Prompt, output_tokens: int) -> dict[str, Any]:
        beside, options = self._split_options()
        asked = self._asked(operation, prompt)
        if operation != "embeddings":
            options = {"num_predict": output_tokens, **options}
            asked["stream"] = self.workload.stream
        return {"model": self.service.model, **asked, **beside, **({"options": options} if options else {})}

    def _asked(self, operation: str, prompt: Prompt) -> dict[str, Any]:
        if operation == "chat":
            return {"messages": chat_messages(prompt, self.workload.system)}
        if operation == "embeddings":
            return {"input": plain_text(prompt, operation)}
        system = {"system": self.workload.system} if self.workload.system else {}
        return {"prompt": plain_text(prompt, operation), **system}

    def _split_options(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """workload.options: those that stand beside the model's parameters, and the parameters."""
        given = dict(self.workload.options)
        nested = given.pop("options", {})
        beside = {name: value for name, value in given.items() if name in _BESIDE_OPTIONS}
        flat = {name: value for name, value in given.items() if name not in _BESIDE_OPTIONS}
        return beside, {**flat, **(nested if isinstance(nested, dict) else {})}

    def has_usage(self, event: Any) -> bool:
        return isinstance(event, dict) and "eval_count" in event

    def probe(self, operation: int) -> list[str]:
        in_memory = self._in_memory()
        notes = super().probe(operation)
        if in_memory is False and self._load_s is not None:
            notes.append(f"the model had to be loaded first: {self._load_s:.1f} s, before the measurement")
        if self.workload.ignore_eos:
            notes.append("Ollama knows no ignore_eos: answers may be shorter than output_tokens")
        return notes

    _load_s: float | None = None

    def oddities(self, operation: int, answer: Answer, events: list[Any]) -> list[str]:
        loads = [event["load_duration"] for event in events if isinstance(event, dict) and "load_duration" in event]
        self._load_s = loads[-1] / NS_PER_S if loads else None
        return super().oddities(operation, answer, events)

    def _in_memory(self) -> bool | None:
        """Whether the model is loaded now; None where the server does not say."""
        running = _entries(self.get(f"{self.url.path}/api/ps"))
        return None if running is None else any(self.is_same_model(str(entry.get("name"))) for entry in running)

    def model_names(self) -> list[str] | None:
        entries = _entries(self.get(f"{self.url.path}/api/tags"))
        return None if entries is None else [str(entry.get("name")) for entry in entries]

    def describe(self) -> dict[str, Any]:
        version = self.get(f"{self.url.path}/api/version")
        entries = _entries(self.get(f"{self.url.path}/api/tags")) or []
        entry = next((entry for entry in entries if self.is_same_model(str(entry.get("name")))), {})
        shown = self.post(f"{self.url.path}/api/show", {"model": self.service.model})
        shown = shown if isinstance(shown, dict) else {}
        return {
            "version": version.get("version") if isinstance(version, dict) else None,
            "model_digest": entry.get("digest"),
            "model_details": shown.get("details") or entry.get("details"),
            "model_parameters": shown.get("parameters"),
        }


def _entries(listing: Any) -> list[dict[str, Any]] | None:
    """The models of /api/tags or /api/ps."""
    models = listing.get("models") if isinstance(listing, dict) else None
    return [entry for entry in models if isinstance(entry, dict)] if isinstance(models, list) else None


KIND = Kind(LlmService, LlmWorkload, OllamaTarget.of, TOKEN_METRICS, "Ollama, in its own API")
