"""The application: routes, errors as data, pages, and the guard before all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from camlucida import __version__
from camlucida.core.errors import CamlucidaError
from camlucida.web.compression import Compressed
from camlucida.web.errors import status_of
from camlucida.web.folders import error_without_folders
from camlucida.web.log import SEE_LOG
from camlucida.web.routes import films, jobs, maps, models, reviews, runs, study
from camlucida.web.security import Guard
from camlucida.web.settings import Settings
from camlucida.web.workbench import Workbench
from camlucida.web.worker import WorkerError

OPENAPI = "/api/openapi.json"
STATIC = Path(__file__).with_name("static")
ROUTERS = (
    *(films.router, models.router, maps.router, jobs.router, runs.router, reviews.router),
    study.router,
)
STUDY_ROUTERS = (study.router,)
"""Of a reader study: no other request tells a reader more than the arm shows."""

ABOUT = (
    "Explains what medical-imaging models used, and measures it. Research use only. Every request "
    "needs the cookie of the one-time address; one that changes something needs the header Origin."
)


def create_app(settings: Settings) -> FastAPI:
    """The application behind its guard.

    Args:
        settings: what the server is started with.

    Returns:
        The application; its ``state.workbench`` holds the sessions and all else.

    Raises:
        UsageError: the state folder cannot be used.
    """
    workbench = Workbench(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        workbench.close()

    app = FastAPI(
        title="camlucida",
        version=__version__,
        description=ABOUT,
        openapi_url=OPENAPI,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.workbench = workbench
    for router in ROUTERS if settings.study is None else STUDY_ROUTERS:
        app.include_router(router)
    app.add_exception_handler(CamlucidaError, _typed_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _internal_error)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_api_route("/", _page, include_in_schema=False)
    return app


def guarded(app: FastAPI) -> ASGIApp:
    """The application behind its guard, as a server runs it."""
    workbench: Workbench = app.state.workbench
    return Guard(Compressed(app), workbench.settings, workbench.sessions)


async def _page() -> FileResponse:
    return FileResponse(STATIC / "index.html", media_type="text/html")


async def _typed_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CamlucidaError)
    status = error.status if isinstance(error, WorkerError) else status_of(error)
    folders = request.app.state.workbench.worker.folders
    return JSONResponse(error_without_folders(error.to_json(), folders), status)


async def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    """The first thing that is wrong with a request."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    what = f"{where}: {first['msg']}"
    data = {"code": "usage", "what": what, "fix": "GET /api/openapi.json describes the request"}
    return JSONResponse(data, 400)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "usage"}.get(error.status_code, "error")
    what = f"{request.method} {request.url.path[:100]}: {error.detail}"
    data = {"code": code, "what": what, "fix": "GET /api/openapi.json lists the requests"}
    return JSONResponse(data, error.status_code)


async def _internal_error(request: Request, error: Exception) -> JSONResponse:
    what = f"{type(error).__name__} in {request.method} {request.url.path[:100]}"
    data = {"code": "internal", "what": what, "fix": SEE_LOG}
    return JSONResponse(data, 500)
