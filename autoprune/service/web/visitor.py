"""Whoever looks at a page: what they may do, and how a page does it for them, by the service's own API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from starlette.requests import Request
from starlette.types import ASGIApp

from autoprune.client.documents import Problem, Scope
from autoprune.errors import AutopruneError
from autoprune.service.security.identity import COOKIE, CSRF_HEADER, Identity

CSRF_COOKIE = "autoprune_csrf"  # beside the session's: the server writes it into its pages' forms and requests
_RANK: dict[Scope, int] = {"read": 0, "submit": 1, "admin": 2}


class Refused(AutopruneError):
    """The service did not do what the page asked of it; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody at a page; `cookies`, `host` and `address` are those of the request that brought the page."""

    app: ASGIApp
    identity: Identity
    cookies: Mapping[str, str]
    host: str
    address: tuple[str, int]

    @classmethod
    def of(cls, request: Request, app: ASGIApp) -> Visitor:
        """Who asks for a page; the gate has seen to it that they may read."""
        client = request.client
        address = (client.host, client.port) if client else ("", 0)
        return cls(app, request.state.identity, request.cookies, request.headers.get("host", ""), address)

    def may(self, scope: Scope) -> bool:
        """Whether it is worth showing what takes this scope; the service itself decides when it is used."""
        return _RANK[self.identity.scope] >= _RANK[scope]

    @property
    def csrf(self) -> str:
        """What a form of the page has to carry; empty where there is no session."""
        return self.cookies.get(CSRF_COOKIE, "")

    @property
    def is_signed_in(self) -> bool:
        """Whether there is a session that could be ended."""
        return COOKIE in self.cookies

    async def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """Send a request to the service as the visitor's browser would: rates, scopes, quotas, the audit log all hold.

        The answer's JSON (None where it is empty); raises `Refused`.
        """
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        own = {"Host": self.host, CSRF_HEADER: self.csrf, **({"Cookie": cookie} if cookie else {}), **(headers or {})}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=self.address)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:
            answer = await http.request(method, path, json=body, headers=own)
        if answer.is_error:
            raise Refused(_reason(answer))
        return answer.json() if answer.content else None


def _reason(answer: httpx.Response) -> str:
    try:
        return Problem.model_validate_json(answer.content).error
    except ValueError:
        return f"the service answered {answer.status_code}"
