"""Who asks: a token in the Authorization header, a browser's session in its cookie, or somebody on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import sqlalchemy as sa
from starlette.requests import Request

from autoprune.client.documents import Scope, TokenDocument
from autoprune.service.records import tokens
from autoprune.service.refusal import Refusal
from autoprune.service.settings import Settings

COOKIE: Final = "autoprune_session"
CSRF_HEADER: Final = "X-CSRF-Token"
_SAFE = ("GET", "HEAD", "OPTIONS")
_RANK: dict[Scope, int] = {"read": 0, "submit": 1, "admin": 2}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks. `token` and `name` are empty for somebody on this machine where no token is asked for."""

    token: str
    name: str
    scope: Scope

    def require(self, scope: Scope) -> None:
        """Raise `Refusal` unless the scope suffices: submit includes read, admin both."""
        if _RANK[self.scope] < _RANK[scope]:
            raise Refusal(403, "scope", f"this takes a token of scope {scope}; {self.name!r} has {self.scope}")

    def require_own(self, token: str) -> None:
        """Raise `Refusal` unless what `token` has made may be changed: by itself, or by an admin."""
        if self.scope != "admin" and self.token != token:
            raise Refusal(403, "scope", "only the token that made this, or one of scope admin, may change it")


def asks_for_tokens(settings: Settings, engine: sa.Engine) -> bool:
    """Whether nobody is served without a token: off loopback, and on it as soon as there is one."""
    return settings.authentication == "always" or not settings.is_loopback or tokens.any_there(engine)


def identify(request: Request, settings: Settings, engine: sa.Engine) -> Identity:
    """Who asks; raises `Refusal` for a token that is none, and for what a foreign page made a browser send."""
    header = request.headers.get("Authorization")
    if header is not None:
        return _of_token(header, engine)
    require_same_origin(request)
    cookie = request.cookies.get(COOKIE)
    if cookie is not None:
        return _of_session(request, cookie, engine)
    if asks_for_tokens(settings, engine):
        raise Refusal(401, "no_token", "a token is needed: make one with autoprune token create, send it as Bearer")
    return Identity("", "", "admin")


def _of_token(header: str, engine: sa.Engine) -> Identity:
    scheme, _, token = header.partition(" ")
    found = tokens.find(engine, token.strip()) if scheme.lower() == "bearer" else None
    if found is None:
        raise Refusal(401, "no_token", "the token is unknown or was revoked; make another with autoprune token create")
    return _identity(found)


def _of_session(request: Request, cookie: str, engine: sa.Engine) -> Identity:
    found = tokens.of_session(engine, cookie, request.headers.get(CSRF_HEADER))
    if found is None:
        raise Refusal(401, "no_session", "the session has run out; sign in again")
    token, matches = found
    if request.method not in _SAFE and not matches:
        raise Refusal(403, "csrf", f"the header {CSRF_HEADER} does not belong to this session; sign in again")
    return _identity(token)


def _identity(token: TokenDocument) -> Identity:
    return Identity(token.id, token.name, token.scope)


def require_same_origin(request: Request) -> None:
    """Raise `Refusal` for what a foreign page sends: a browser says where that comes from, programs say nothing."""
    origin = request.headers.get("Origin")
    if origin and request.method not in _SAFE and urlsplit(origin).netloc != request.headers.get("Host"):
        raise Refusal(403, "origin", f"a page of {origin[:80]} may not change anything here")
