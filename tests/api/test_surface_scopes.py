"""Every route of the OpenAPI document against every scope."""

import re
from typing import get_args

from gateway.services.keys import Scope
from tests.api.house import House


async def test_each_scope_opens_exactly_what_the_document_says(small_house: House) -> None:
    async with small_house.client() as visitor:
        paths = (await visitor.get("/schema/openapi.json")).json()["paths"]
    wanted = {
        (method.upper(), re.sub(r"\{[^}]*\}", "none", path)): [each["key"][0] for each in operation["security"]]
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    used = {scope for scopes in wanted.values() for scope in scopes}
    # jobs:transactional is asked for beside jobs:write, by what a job says; admin is every scope.
    assert set(get_args(Scope)) - used == {"jobs:transactional", "admin"}
    for scope in get_args(Scope):
        async with small_house.client(scope) as client:
            for (method, path), scopes in wanted.items():
                status = (await client.request(method, path)).status_code
                is_in = not scopes or scope in (*scopes, "admin")
                assert (status not in (401, 403)) == is_in, (scope, method, path, status)
