"""Requests made of the OpenAPI document: none is a fault of the server, each reply fits it."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from camlucida.web.app import OPENAPI
from tests.web.conftest import png

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
ENDLESS = "/api/jobs/{job}/events"
EXAMPLES = 4
SETTINGS = settings(
    max_examples=EXAMPLES,
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def described(app):
    """The document of the server of the other tests, which goes on after these."""

    async def unending(scope, receive, send):
        if scope["type"] == "http":
            await app(scope, receive, send)
            return
        for event in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{event}.complete"})

    return schemathesis.openapi.from_asgi(OPENAPI, unending)


@pytest.fixture
def existing(client, app, small_run):
    """What exists, by the name of the parameter."""
    film = client.post("/api/films?name=schema.png", content=png(91)).json()["id"]
    model = client.get("/api/models").json()[0]["id"]
    client.get(f"/api/models/{model}/findings/{film}")  # so that none waits for it to be loaded
    (run,) = app.state.workbench.runs
    yield {"film": film, "model": model, "run": run, "number": 0, "target": "0"}
    for job in client.get("/api/jobs").json():
        client.delete(f"/api/jobs/{job['id']}")


def test_no_request_is_a_fault_of_the_server(described, existing):
    for result in described.get_all_operations():
        operation = result.ok()
        if operation.path != ENDLESS:
            requested(operation, existing)


def requested(operation, existing):
    """Send requests of an operation; every other one is about what exists."""

    @SETTINGS
    @given(case=operation.as_strategy(), exists=st.booleans())
    def send(case, exists):
        if exists:
            parts = [case.path_parameters, case.body]
            for part in (each for each in parts if isinstance(each, dict)):
                part.update({name: existing[name] for name in part.keys() & existing.keys()})
        case.call_and_validate(checks=CHECKS)

    send()
