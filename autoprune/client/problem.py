"""What can go wrong between the client and the service."""

from __future__ import annotations

from autoprune.errors import AutopruneError


class ServiceProblem(AutopruneError):
    """The service refused a request; `status` and `code` are its own, the message says what to do."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code
        self.exit_code = 2 if 400 <= status < 500 else 1


class Unreachable(AutopruneError):
    """There is no service at the address, or it does not answer in time."""
