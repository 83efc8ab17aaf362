"""Pages and tables travel compressed; what is compressed already, or must not wait, does not."""

from __future__ import annotations

import re

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

AS_THEY_ARE = re.compile(r"/api/(films/|maps$|jobs/)|.*\.png$")
"""Films are compressed already, and so are pictures and most files of jobs. Maps are small, and a
person waits for them; the events of a job come one by one."""

LEVEL = 5
"""Of zlib; at 9 the pages' scripts become 1 % smaller, in nearly twice the time."""


class Compressed:
    """The application, whose answers are compressed where that makes them smaller.

    Args:
        app: behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._compressing: ASGIApp = GZipMiddleware(app, compresslevel=LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        is_packed = scope["type"] == "http" and AS_THEY_ARE.match(scope["path"])
        await (self._app if is_packed else self._compressing)(scope, receive, send)
