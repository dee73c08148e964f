"""What a request for a page passes: only those who may read come in, and a page runs no script but its own."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import anyio.to_thread
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from autoprune.service.answers import explain, problem
from autoprune.service.refusal import Refusal
from autoprune.service.security.identity import identify
from autoprune.service.state import Service
from autoprune.service.web.places import FORM_POLICY, SIGN_IN, WEB

if TYPE_CHECKING:
    from autoprune.service.web.state import Pages

_LIBRARIES = f"{WEB}/_nicegui/"  # NiceGUI's own scripts and styles, the same for everybody
_PACKED_FROM = 1000  # bytes
# 'unsafe-eval': NiceGUI 3 brings Vue in one build only, with the compiler of templates, and its own script makes
# functions of event handlers and of what `run_javascript` sends by eval(). Neither can be had precompiled, so a policy
# without it shows an empty page. A script that is slipped into a page still has no nonce, and does not run.
_POLICY = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)


class Gate:
    """ASGI middleware before the pages."""

    def __init__(self, app: ASGIApp, pages: Pages) -> None:
        self._app, self._pages = app, pages
        self._packed = GZipMiddleware(Nonced(app), minimum_size=_PACKED_FROM)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or one connection of a page."""
        path = scope.get("path", "")
        if scope["type"] not in ("http", "websocket") or not f"{path}/".startswith(f"{WEB}/"):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._connect(scope, receive, send)
        elif path.startswith(_LIBRARIES):
            await self._packed(scope, receive, send)
        else:
            await self._show(scope, receive, send)

    async def _show(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A page, for those who may read; the others are asked who they are."""
        try:
            await self._let_in(scope)
        except (Refusal, SQLAlchemyError) as error:
            refusal = explain(error)
            asked = RedirectResponse(_sign_in(scope), 303) if refusal.status_code == 401 else problem(refusal)
            await asked(scope, receive, send)
            return
        await self._packed(scope, receive, send)

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The connection by which a page hears and speaks; other sites' pages may open none in a visitor's name."""
        headers = Headers(scope=scope)
        try:
            if urlsplit(headers.get("origin", "")).netloc != headers.get("host"):
                raise Refusal(403, "origin", "a page of another site may not speak for a visitor of this one")
            await self._let_in(scope)
        except (Refusal, SQLAlchemyError):
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, send)

    async def _let_in(self, scope: Scope) -> None:
        """Remember who asks; raises `Refusal`."""
        service: Service = self._pages.service
        request = Request({"method": "GET", **scope, "type": "http"})
        who = await anyio.to_thread.run_sync(identify, request, service.settings, service.engine)
        who.require("read")
        scope.setdefault("state", {}).update(identity=who, pages=self._pages)


def _sign_in(scope: Scope) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{SIGN_IN}?{urlencode({'next': scope['path'] + ('?' + query if query else '')})}"


@dataclass(frozen=True, slots=True)
class Nonced:
    """ASGI middleware that lets a page run the scripts it was sent with, by a number used once, and no others."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        start: Message | None = None
        body = b""

        async def answer(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_page(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body"):
                    await _send_page(start, body, send)

        await self.app(scope, receive, answer)


def _is_page(start: Message) -> bool:
    return Headers(raw=start["headers"]).get("content-type", "").startswith("text/html")


async def _send_page(start: Message, body: bytes, send: Send) -> None:
    nonce = secrets.token_urlsafe(16)
    # Every value in the page is escaped by then: each `<script` is one of the page's own.
    body = body.replace(b"<script", f'<script nonce="{nonce}"'.encode())
    headers = MutableHeaders(scope=start)
    headers["Content-Security-Policy"] = _POLICY.format(nonce=nonce)
    headers["Referrer-Policy"] = FORM_POLICY
    headers["Content-Length"] = str(len(body))
    await send(start)
    await send({"type": "http.response.body", "body": body})
