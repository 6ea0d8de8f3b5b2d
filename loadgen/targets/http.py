"""Any web server: GET requests by weight. The answers are counted, not read."""

import asyncio

from loadgen.errors import TargetError
from loadgen.plan.model import Draft, Operation, Request, Wire
from loadgen.recipe.model import Recipe
from loadgen.recipe.service import HttpService
from loadgen.recipe.workload import HttpWorkload
from loadgen.targets.base import Readiness, describe_service
from loadgen.targets.encoding import encode_get, request_headers
from loadgen.targets.probe import ask, check_scheme, reach
from loadgen.targets.url import parse_url


class HttpTarget:
    """One operation a request of the workload."""

    wire: Wire = Wire.HTTP

    def __init__(self, recipe: Recipe) -> None:
        assert isinstance(recipe.service, HttpService)
        assert isinstance(recipe.workload, HttpWorkload)
        self._recipe, self._service, self._workload = recipe, recipe.service, recipe.workload
        self._url = parse_url(recipe.service.url)
        self.operations = tuple(Operation(request.name, False) for request in recipe.workload.requests)

    def encode(self, draft: Draft) -> Request:
        asked = self._workload.requests[draft.operation]
        headers = request_headers(self._url, None, self._service.headers, asked.headers)
        return encode_get(self._url.path + asked.path, headers, draft.operation)

    async def prepare(self) -> Readiness:
        try:
            return await asyncio.to_thread(self._prepare)
        except TargetError as error:
            raise TargetError(self._recipe.redacted(str(error))) from None

    async def close(self) -> None:
        """Nothing was started."""

    def _prepare(self) -> Readiness:
        address = reach(self._url, self._service.tls)
        notes: list[str] = []
        for operation, asked in enumerate(self._workload.requests):
            answer = ask(self._url, address, self.encode(Draft(operation)).raw, self._recipe.load.timeout_s)
            check_scheme(self._url, answer)
            if answer.status >= 300:
                notes.append(f"GET {self._url.path}{asked.path} is answered with {answer.status}")
        service = describe_service(self._url, self._service.kind, self._service.settings)
        return Readiness(address, tuple(notes), service)
