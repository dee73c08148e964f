"""What every request passes before any route sees it: host names, rates, size; and the headers of every answer."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from autoprune.service.answers import problem
from autoprune.service.refusal import Refusal
from autoprune.service.security.rates import Rates
from autoprune.service.settings import Settings

UPLOADS = "/v1/uploads"
_ANY_ADDRESS = ("0.0.0.0", "::", "")
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


class Guard:
    """ASGI middleware. What it refuses is answered as a `Problem`."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._limits = app, settings.limits
        self._rates = Rates(settings.limits.requests_per_second, settings.limits.burst)
        self._hosts = _hosts(settings)
        self._known: set[str] = set()  # what has opened something before; others share their address's rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        who = _who(headers)
        answer = self._answering(scope, send, who)
        try:
            self._require_host(headers)
            self._require_rate(who if who in self._known else _address(scope))
            limited = self._limited(scope, headers, receive)
        except Refusal as refusal:
            await problem(refusal)(scope, receive, answer)
            return
        await self._app(scope, limited, answer)

    def _require_host(self, headers: Headers) -> None:
        host = headers.get("host", "").rsplit(":", 1)[0] if "]" not in headers.get("host", "") else "[::1]"
        if self._hosts is not None and host.lower() not in self._hosts:
            raise Refusal(421, "host", f"this server is not called {host[:80]!r}; add it to `hosts` in its settings")

    def _require_rate(self, who: str) -> None:
        if wait := self._rates.seconds_to_wait(who):
            error = f"more than {self._limits.requests_per_second:g} requests a second; wait a moment"
            raise Refusal(429, "rate", error, retry_after=math.ceil(wait))

    def _answering(self, scope: Scope, send: Send, who: str) -> Send:
        """`send` that adds the headers, and remembers whose token or session it was."""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if message["status"] == 401:
                    self._known.discard(who)
                elif getattr(scope.get("state", {}).get("identity"), "token", ""):
                    self._known.add(who)
            await send(message)

        return answer

    def _limited(self, scope: Scope, headers: Headers, receive: Receive) -> Receive:
        """`receive`, which refuses a body that is too long as soon as that is known."""
        most = self._limits.upload_bytes if scope["path"] == UPLOADS else self._limits.request_bytes
        too_long = Refusal(413, "too_large", f"a request takes at most {most} bytes here")
        told = headers.get("content-length", "0")
        if not told.isdecimal():
            raise Refusal(400, "bad_input", "Content-Length is no number")
        if int(told) > most:
            raise too_long
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                raise too_long
            return message

        return counted


def _hosts(settings: Settings) -> frozenset[str] | None:
    """The names that the server is asked by; None for any, where it listens on all addresses and none are given.

    A page elsewhere can make its own name mean this machine (DNS rebinding); it cannot change the Host header.
    """
    if settings.host in _ANY_ADDRESS and not settings.hosts:
        return None
    return frozenset(name.lower() for name in (*_names(settings), *settings.hosts))


def _names(settings: Settings) -> Iterable[str]:
    return (*_LOOPBACK, settings.host)


def _who(headers: Headers) -> str:
    """Stands for the token or the session that is shown."""
    return hashlib.sha256(f"{headers.get('authorization')} {headers.get('cookie')}".encode()).hexdigest()


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""
