"""Who may talk to the server: Host, Origin, cookie and size of a request; headers of a reply."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from camlucida.core.errors import CamlucidaError
from camlucida.web.errors import RefusedError, TooLargeError, status_of
from camlucida.web.settings import Settings
from camlucida.web.store import Store

COOKIE = "camlucida"
DAYS = 30
"""How long a browser stays known."""

OPEN = "/open"
"""Where the one-time address leads."""

UPLOADS = "/api/films"

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}

_SAFE = ("GET", "HEAD")
_AGAIN = "open the address that the terminal shows; camlucida serve prints a new one when it starts"


class Sessions:
    """Tokens that are used once, and the cookies that they buy.

    Args:
        store: that keeps digests of the cookies, so that a browser stays known after a restart.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tokens: set[str] = set()

    def new_token(self) -> str:
        """A token for one visit."""
        token = secrets.token_urlsafe(32)
        self._tokens.add(token)
        return token

    def cookie(self, token: str) -> str | None:
        """The cookie for a token, which is then used up; None for one that is not known."""
        match = next((known for known in self._tokens if hmac.compare_digest(known, token)), None)
        if match is None:
            return None
        self._tokens.discard(match)
        cookie = secrets.token_urlsafe(32)
        self._store.write("INSERT INTO sessions (digest) VALUES (?)", _digest(cookie))
        return cookie

    def knows(self, cookie: str) -> bool:
        """Whether a cookie was given out."""
        digest = _digest(cookie)
        return self._store.row("SELECT 1 FROM sessions WHERE digest = ?", digest) is not None


class Guard:
    """Stands before the application: what it refuses, the application never sees.

    Args:
        app: behind it.
        settings: with the addresses and limits.
        sessions: of this server.
    """

    def __init__(self, app: ASGIApp, settings: Settings, sessions: Sessions) -> None:
        self._app, self._settings, self._sessions = app, settings, sessions
        self._hosts = {urlsplit(origin).netloc for origin in settings.origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _with_headers(message.get("headers", ()))
            await send(message)

        try:
            self._check(scope)
            if scope["path"] == OPEN:
                await self._open(scope, guarded)
                return
            self._check_cookie(scope)
            await self._limited(scope, receive, guarded)
        except CamlucidaError as error:
            await _refuse(error, scope, guarded)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, with a body that is counted: a length may be missing, or wrong."""
        limit = self._limit(scope)
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                raise _too_large(limit)
            return message

        async def unless_too_large(message: Message) -> None:
            # The application takes the error for that of a damaged body; it is said here.
            if size <= limit:
                await send(message)

        await self._app(scope, counted, unless_too_large)
        if size > limit:
            raise _too_large(limit)

    def _check(self, scope: Scope) -> None:
        headers = _headers(scope)
        if headers.get("host", "") not in self._hosts:
            # A page of another name that points here (DNS rebinding) has that name as its host.
            raise RefusedError("the request names another host", _AGAIN)
        if scope["method"] in _SAFE:
            return
        origin = headers.get("origin")
        if origin not in self._settings.origins:
            raise RefusedError(
                "the request does not come from a page of this server",
                f"send the header Origin: {self._settings.origins[0]}",
            )

    def _check_cookie(self, scope: Scope) -> None:
        try:
            cookies = SimpleCookie(_headers(scope).get("cookie", ""))
        except CookieError:
            cookies = SimpleCookie()
        if COOKIE not in cookies or not self._sessions.knows(cookies[COOKIE].value):
            raise RefusedError("this browser is not known to the server", _AGAIN)

    async def _open(self, scope: Scope, send: Send) -> None:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        cookie = self._sessions.cookie(query.get("token", [""])[0])
        if cookie is None:
            raise RefusedError("this address was used already, or is not known", _AGAIN)
        about = f"{COOKIE}={cookie}; Path=/; Max-Age={DAYS * 86400}; HttpOnly; SameSite=Strict"
        headers = [(b"location", b"/"), (b"set-cookie", about.encode())]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def _limit(self, scope: Scope) -> int:
        limits = self._settings.limits
        limit = limits.film if scope["path"] == UPLOADS else limits.body
        length = _headers(scope).get("content-length", "0")
        if not length.isdigit() or int(length) > limit:
            raise _too_large(limit)
        return limit


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the request has more than {limit:,} bytes", "send less at once")


async def _refuse(error: CamlucidaError, scope: Scope, send: Send) -> None:
    status = 401 if isinstance(error, RefusedError) and scope["method"] in _SAFE else None
    body = json.dumps(error.to_json()).encode()
    kind = b"application/json"
    if not scope["path"].startswith("/api/"):
        body, kind = f"{error}\n".encode(), b"text/plain; charset=utf-8"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    start = {"type": "http.response.start", "status": status or status_of(error)}
    await send({**start, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _with_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    given = list(headers)
    names = {name.lower() for name, _ in given}
    missing = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in names]
    return [*given, *missing]


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
