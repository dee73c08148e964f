"""/login and /logout: a token is changed for a session's cookie, by plain forms that need no script."""

from __future__ import annotations

import functools
from urllib.parse import parse_qs

import anyio.to_thread
from fastapi import APIRouter, Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import HTMLResponse, RedirectResponse, Response

from autoprune.service.answers import explain, when_again
from autoprune.service.records import tokens
from autoprune.service.refusal import Refusal
from autoprune.service.security.identity import COOKIE, Identity, asks_for_tokens, require_same_origin
from autoprune.service.state import Shared
from autoprune.service.web import markup
from autoprune.service.web.places import FORM_POLICY, JOBS, SIGN_IN, SIGN_OUT, STYLE, within
from autoprune.service.web.state import Pages
from autoprune.service.web.visitor import CSRF_COOKIE

router = APIRouter(include_in_schema=False)


@router.get("/")
def begin() -> RedirectResponse:
    """The first page is the list of jobs."""
    return RedirectResponse(JOBS)


@router.get(STYLE)
def style() -> Response:
    """The style sheet of all pages."""
    return Response(markup.style(), media_type="text/css", headers={"Cache-Control": "no-cache"})


@router.get(SIGN_IN)
def show_form(service: Shared, next: str = JOBS) -> Response:
    """The form; where no token is asked for, there is nothing to sign in to."""
    if not asks_for_tokens(service.settings, service.engine):
        return RedirectResponse(within(next), 303)
    return _form(within(next))


@router.post(SIGN_IN)
async def sign_in(request: Request, service: Shared) -> Response:
    """Open a session in the name of the token."""
    require_same_origin(request)
    fields = await _fields(request)
    place = within(fields.get("next", JOBS))
    try:
        found = await anyio.to_thread.run_sync(tokens.find, service.engine, fields.get("token", "").strip())
        if found is None:
            return _form(place, Refusal(401, "no_token", "the token is unknown or was revoked"))
        request.state.identity = Identity(found.id, found.name, found.scope)
        opening = functools.partial(tokens.open_session, service.engine, found.id)
        session = await anyio.to_thread.run_sync(opening, limiter=service.writers)
    except SQLAlchemyError as error:
        return _form(place, explain(error))
    answer = RedirectResponse(place, 303)
    for name, value in ((COOKIE, session.secret), (CSRF_COOKIE, session.csrf)):
        answer.set_cookie(
            name,
            value,
            max_age=int(tokens.SESSION_SECONDS),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
    return answer


@router.post(SIGN_OUT)
async def sign_out(request: Request, service: Shared) -> Response:
    """End the session; the form shows that it comes from one of its pages."""
    require_same_origin(request)
    fields = await _fields(request)
    secret = request.cookies.get(COOKIE, "")
    found = await anyio.to_thread.run_sync(tokens.of_session, service.engine, secret, fields.get("csrf"))
    if found is not None and not found[1]:
        raise Refusal(403, "csrf", "this did not come from a page of the session; sign out on one of them")
    closing = functools.partial(tokens.close_session, service.engine, secret)
    await anyio.to_thread.run_sync(closing, limiter=service.writers)
    pages: Pages = request.app.state.pages
    pages.present.end(secret)
    answer = RedirectResponse(SIGN_IN, 303)
    for name in (COOKIE, CSRF_COOKIE):
        answer.delete_cookie(name)
    return answer


def _form(place: str, refusal: Refusal | None = None) -> HTMLResponse:
    """The form; with a refusal why nobody was let in by it."""
    shown = markup.render("login", place=place, error="" if refusal is None else refusal.detail)
    headers = {"Referrer-Policy": FORM_POLICY, **(when_again(refusal) if refusal else {})}
    return HTMLResponse(shown, 200 if refusal is None else refusal.status_code, headers)


async def _fields(request: Request) -> dict[str, str]:
    """The fields of a form, the last of each name."""
    sent = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=10)
    return {name: values[-1] for name, values in sent.items()}
