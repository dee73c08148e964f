"""/v1/session, /v1/tokens, /v1/audit: who may do what, and who did."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from autoprune.client.documents import Answer, Scope, TokenDocument
from autoprune.service.records import audit, tokens
from autoprune.service.refusal import Refusal
from autoprune.service.security.identity import COOKIE
from autoprune.service.state import Admin, Reader, Shared, in_turn

router = APIRouter(prefix="/v1", tags=["access"])


class NewToken(BaseModel):
    """A token to be made."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}$")]
    scope: Scope


class SessionDocument(Answer):
    """A browser's session; `csrf` goes into the header X-CSRF-Token of whatever changes something."""

    name: str
    scope: Scope
    csrf: str


@router.post("/session", summary="Sign in a browser")
@in_turn
def sign_in(
    token: Annotated[str, Body(embed=True, max_length=200)], request: Request, response: Response, service: Shared
) -> SessionDocument:
    """Change a token for a session cookie, which scripts cannot read and other sites' pages cannot send."""
    found = tokens.find(service.engine, token)
    if found is None:
        raise Refusal(401, "no_token", "the token is unknown or was revoked")
    session = tokens.open_session(service.engine, found.id)
    response.set_cookie(
        COOKIE,
        session.secret,
        max_age=int(tokens.SESSION_SECONDS),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return SessionDocument(name=found.name, scope=found.scope, csrf=session.csrf)


@router.delete("/session", status_code=204, summary="Sign out")
@in_turn
def sign_out(request: Request, response: Response, service: Shared, _who: Reader) -> None:
    """End the session of the cookie that is sent."""
    if cookie := request.cookies.get(COOKIE):
        tokens.close_session(service.engine, cookie)
    response.delete_cookie(COOKIE)


@router.get("/tokens", summary="List tokens")
def list_tokens(service: Shared, _who: Admin) -> list[TokenDocument]:
    """All tokens, without what would let one use them."""
    return tokens.every(service.engine)


@router.post("/tokens", status_code=201, summary="Make a token")
@in_turn
def create_token(asked: NewToken, service: Shared, _who: Admin) -> TokenDocument:
    """Make a token; it is told this once."""
    return tokens.create(service.engine, asked.name, asked.scope)


@router.delete("/tokens/{token}", status_code=204, summary="Revoke a token")
@in_turn
def revoke_token(token: Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")], service: Shared, _who: Admin) -> None:
    """Let a token and its sessions open nothing any more."""
    if not tokens.revoke(service.engine, token):
        raise Refusal(404, "not_found", f"there is no token {token}")


@router.get("/audit", summary="Read the audit log")
def read_audit(service: Shared, _who: Admin, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[dict[str, Any]]:
    """Who changed what, newest first."""
    return audit.newest(service.engine, limit)
