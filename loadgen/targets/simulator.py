"""The embedded simulator: started for the run, spoken to like the server whose dialect it speaks, stopped with the run."""

import asyncio
from typing import TYPE_CHECKING

from loadgen.plan.model import Operation, Wire
from loadgen.recipe.model import Recipe
from loadgen.recipe.service import LlmService, SimulatorService
from loadgen.targets.base import Readiness, Requests
from loadgen.targets.llm import LlmTarget
from loadgen.targets.ollama import OllamaTarget
from loadgen.targets.openai import OpenAiTarget

if TYPE_CHECKING:
    from loadgen.simulator import SimulatorProcess

_ANY_PORT_URL = "http://127.0.0.1"


class SimulatorTarget:
    """Until prepare() has started the process, its port is not known, and requests have none in their Host header."""

    def __init__(self, recipe: Recipe) -> None:
        assert isinstance(recipe.service, SimulatorService)
        self._recipe, self._service = recipe, recipe.service
        self._process: SimulatorProcess | None = None
        self._spoken = self._speaking_to(_ANY_PORT_URL)

    @property
    def wire(self) -> Wire:
        return self._spoken.wire

    @property
    def operations(self) -> tuple[Operation, ...]:
        return self._spoken.operations

    @property
    def weights(self) -> tuple[float, ...]:
        return self._spoken.weights

    def build_requests(self, n_requests: int | None) -> Requests:
        return self._spoken.build_requests(n_requests)
