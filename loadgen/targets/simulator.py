"""The embedded simulator: started for the run, spoken to in the dialect that the recipe names, stopped with the run."""

import asyncio
from typing import TYPE_CHECKING, Any

from loadgen.errors import RecipeError
from loadgen.plan.model import Operation, Wire, Work
from loadgen.recipe.kinds import TOKEN_METRICS, Kind
from loadgen.recipe.model import Recipe
from loadgen.recipe.service import LlmService, SimulatorService
from loadgen.recipe.workload import LlmWorkload
from loadgen.targets.base import PlainTarget, Readiness
from loadgen.targets.llm import LlmTarget
from loadgen.targets.ollama import OllamaTarget
from loadgen.targets.openai import OpenAiTarget

if TYPE_CHECKING:
    from loadgen.simulator import SimulatorProcess, SimulatorSettings

PORT_NOT_YET_KNOWN = "http://127.0.0.1"

_SETTINGS = frozenset(("ttft_ms", "itl_ms", "output_tokens", "slots", "error_ratio"))


class SimulatorTarget(PlainTarget):
    """Until prepare() has started the process its port is not known, and requests have none in their Host header."""

    wire: Wire
    operations: tuple[Operation, ...]

    def __init__(self, recipe: Recipe) -> None:
        assert isinstance(recipe.service, SimulatorService)
        self._recipe, self._service = recipe, recipe.service
        self._process: SimulatorProcess | None = None
        self._spoken = _speaking(recipe, recipe.service, PORT_NOT_YET_KNOWN)
        self.wire, self.operations = self._spoken.wire, self._spoken.operations

    def work(self, n_requests: int | None) -> Work:
        return self._spoken.work(n_requests)

    async def prepare(self) -> Readiness:
        """Raises EngineError where the simulator cannot run here."""
        settings = simulator_settings(self._service, self._recipe.seed)
        from loadgen.simulator import start_simulator

        self._process = await asyncio.to_thread(start_simulator, settings)
        self._spoken = _speaking(self._recipe, self._service, self._process.url)
        ready = await self._spoken.prepare()
        started_with = {"dialect": self._service.dialect, **self._started_with(), **self._service.settings}
        described = {**ready.service, "kind": "simulator", "name": "simulator", "settings": started_with}
        return ready._replace(service=described)

    async def close(self) -> None:
        if self._process is not None:
            await asyncio.to_thread(self._process.stop)

    def _started_with(self) -> dict[str, Any]:
        return self._service.model_dump(mode="json", include=set(_SETTINGS))


def simulator_settings(service: SimulatorService, seed: int) -> "SimulatorSettings":
    """Raises RecipeError."""
    from loadgen.simulator import SimulatorSettings

    fields = service.model_dump(mode="json", include=set(_SETTINGS))
    is_named = service.model != SimulatorService.model_fields["model"].default
    try:
        return SimulatorSettings(**fields, seed=seed, models=(service.model,) if is_named else None)
    except ValueError as error:
        raise RecipeError(f"service.{error}") from None


def _speaking(recipe: Recipe, service: SimulatorService, url: str) -> LlmTarget:
    """The target of the dialect. Failures that the recipe asks for are none of the probe's concern."""
    if service.dialect == "ollama":
        spoken = LlmService.model_validate({"kind": "ollama", "url": url, "model": service.model})
        return OllamaTarget(recipe, spoken, tolerant=True)
    spoken = LlmService.model_validate({"kind": "openai", "url": url, "model": service.model})
    return OpenAiTarget(recipe, spoken, tolerant=True)


KIND = Kind(
    SimulatorService,
    LlmWorkload,
    SimulatorTarget,
    TOKEN_METRICS,
    "the embedded server of a language model that is none: it starts and stops with the run",
)
