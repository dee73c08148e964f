"""A request that is refused: the status, a code for programs, and what to do, for people."""

from __future__ import annotations

from starlette.exceptions import HTTPException


class Refusal(HTTPException):
    """Becomes a `Problem`; `retry_after` seconds are told where waiting helps."""

    def __init__(self, status: int, code: str, error: str, *, retry_after: int | None = None) -> None:
        super().__init__(status, error)
        self.code, self.retry_after = code, retry_after
