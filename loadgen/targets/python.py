"""A client of the user's own: a Python class whose coroutines are called, for whatever loadgen does not speak.

For each connection one object is made; docs/services/python.md says what it must have.
"""

import inspect
import re
import socket
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from loadgen.engine.contract import Address
from loadgen.errors import RecipeError, TargetError
from loadgen.plan.keys import KeyDistribution, key_values
from loadgen.plan.model import Operation, Request, Wire, Work
from loadgen.recipe.base import PositiveFloat, Section
from loadgen.recipe.kinds import TOKEN_METRICS, Kind
from loadgen.recipe.model import Recipe
from loadgen.recipe.service import Free, ServiceSection
from loadgen.targets.base import PlainTarget, Readiness, describe_service
from loadgen.targets.own_code import FIELD, load_class, where_and_what
from loadgen.targets.url import ServiceUrl

NOWHERE = Address(family=socket.AF_UNSPEC, host="", port=0, server_name="")
"""Where nobody connects: the client does, or does not."""

_NO_URL = ServiceUrl(scheme="python", host="", port=0, path="")


def _checked_client(text: str) -> str:
    if not re.fullmatch(r"[^:]*[A-Za-z_0-9]:[A-Za-z_][\w.]*", text):
        raise ValueError("must read MODULE:CLASS, such as my_client:Client")
    return text


class PythonService(ServiceSection):
    """A class of the user's own."""

    kind: Literal["python"] = Field(description="Which service this is.")
    client: Annotated[str, AfterValidator(_checked_client)] = Field(
        description="MODULE:CLASS; the module is looked for beside the recipe, in the current folder, and among the "
        "installed ones."
    )
    settings: Free = Field(
        default_factory=dict, description="The first argument of the class; recorded and compared, too."
    )


class PythonWorkload(Section):
    """What the class is asked for."""

    operations: Annotated[dict[str, PositiveFloat], Field(min_length=1)] = Field(
        default={"call": 1.0}, description="The operations by name, with their weights. Default: {call: 1}."
    )
    keys: Annotated[int, Field(ge=1, lt=2**31)] = Field(
        default=1000, description="How many different keys are drawn, from 0 on."
    )
    key_distribution: KeyDistribution = Field(
        default="uniform", description="How often each comes: uniform, zipfian (few come often) or sequential."
    )
    options: Free = Field(default_factory=dict, description="The second argument of the class.")
    check: bool = Field(default=True, description="Has no effect: what is right, the class alone knows.")

    @property
    def weights(self) -> dict[str, float]:
        """Each operation's weight; they need not add up to anything."""
        return dict(self.operations)


class PythonTarget(PlainTarget):
    """The class is imported at once: a mistake in it is found before anything else happens."""

    wire: Wire = Wire.CALL

    def __init__(self, recipe: Recipe) -> None:
        assert isinstance(recipe.service, PythonService)
        assert isinstance(recipe.workload, PythonWorkload)
        self._recipe, self._service, self._workload = recipe, recipe.service, recipe.workload
        self._class = load_class(recipe.service.client)
        self._arguments = self._accepted_arguments()
        streams = _streams(self._class)
        self.operations = tuple(Operation(name, expects_tokens=streams) for name in self._workload.operations)

    def work(self, n_requests: int | None) -> Work:
        requests = [Request(raw=b"", operation=operation) for operation in range(len(self.operations))]
        values = key_values(self._recipe.seed, self._workload.keys, self._workload.key_distribution)
        return Work(requests, (1,) * len(requests), tuple(self._workload.weights.values()), values=values)

    def client_factory(self) -> Callable[[], Any]:
        """Makes the client of one connection."""
        return lambda: self._class(*self._arguments)

    def _accepted_arguments(self) -> tuple[Any, ...]:
        """Settings and options, or nothing where the class takes nothing."""
        arguments = (self._service.settings, self._workload.options)
        signature = inspect.signature(self._class)
        for given in (arguments, ()):
            try:
                signature.bind(*given)
            except TypeError:
                continue
            return given
        name = self._service.client
        raise RecipeError(f"{FIELD}: {name} must take settings and options, or nothing; it takes {signature}")

    async def prepare(self) -> Readiness:
        """A client is made, opened and closed, before many are. Raises TargetError."""
        try:
            client = self.client_factory()()
            for name in ("open", "close"):
                if hasattr(client, name):
                    await getattr(client, name)()
        except Exception as error:  # the user's own code may raise anything
            reason = where_and_what(error, self._service.client)
            raise TargetError(self._recipe.redacted(f"{FIELD}: {reason}")) from None
        described = describe_service(_NO_URL, "python", self._service.settings, name=self._service.client)
        return Readiness(NOWHERE, (), {**described, "url": None, "hostname": None, "port": None})


def _streams(client: type) -> bool:
    """Whether answers come piece by piece. Raises RecipeError for a class without a request that can be awaited."""
    request = getattr(client, "request", None)
    if inspect.isasyncgenfunction(request):
        return True
    if not inspect.iscoroutinefunction(request):
        missing = "has no" if request is None else "needs an asynchronous"
        wanted = "async def request(self, operation, index, values)"
        raise RecipeError(f"{FIELD}: {client.__name__} {missing} request: `{wanted}`")
    return False


KIND = Kind(PythonService, PythonWorkload, PythonTarget, TOKEN_METRICS, "a Python class of your own, for all else")
