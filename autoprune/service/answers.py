"""Problems as answers: whatever goes wrong is one JSON document with a code, and what to do."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from autoprune.client.documents import Problem
from autoprune.errors import AutopruneError
from autoprune.service.records.database import is_full
from autoprune.service.refusal import Refusal

_CODES = {404: "not_found", 405: "method", 400: "bad_input"}

log = logging.getLogger("autoprune.service")


def problem(refusal: Refusal) -> JSONResponse:
    """The answer to a request that is refused."""
    headers = when_again(refusal)
    if refusal.status_code == 401:
        headers["WWW-Authenticate"] = "Bearer"
    content = Problem(code=refusal.code, error=refusal.detail).model_dump()
    return JSONResponse(content, refusal.status_code, headers)


def when_again(refusal: Refusal) -> dict[str, str]:
    """The header that says when to come again, where waiting helps."""
    return {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}


def explain(error: Exception) -> Refusal:
    """What an exception means for the one who asked."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, AutopruneError):
        return Refusal(422, "bad_input", str(error))
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if isinstance(error, HTTPException):
        return Refusal(error.status_code, _CODES.get(error.status_code, "refused"), str(error.detail))
    if is_full(error):
        return Refusal(507, "disk_full", "no space is left on the server's disk; nothing was changed")
    if isinstance(error, SQLAlchemyError):
        log.error("the database did not answer: %s", str(error).partition("\n")[0])
        reason = "the database is busy or cannot be reached; nothing was changed, try again in a moment"
        return Refusal(503, "busy", reason, retry_after=2)
    log.exception("a failure of autoprune", exc_info=error)
    return Refusal(500, "failure", "a failure of autoprune; the server's log has more")


def _invalid(error: RequestValidationError) -> Refusal:
    first, *others = error.errors()
    where = ".".join(str(part) for part in first["loc"][1:] if not str(part).startswith("function-"))
    more = f" (and {len(others)} more)" if others else ""
    what = str(first["msg"]).removeprefix("Value error, ")
    return Refusal(422, "bad_input", f"{where or 'the request'}: {what}{more}")


def answer_problems(app: FastAPI) -> None:
    """Let `app` answer every exception with a `Problem`."""

    async def answer(_request: Request, error: Exception) -> JSONResponse:
        return problem(explain(error))

    for kind in (Refusal, AutopruneError, RequestValidationError, HTTPException, OSError, SQLAlchemyError):
        app.add_exception_handler(kind, answer)
    app.add_exception_handler(Exception, answer)
