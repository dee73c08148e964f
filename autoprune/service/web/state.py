"""What all pages share."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import ASGIApp

from autoprune.service.state import Service
from autoprune.service.web.live.board import Board
from autoprune.service.web.live.following import Followings
from autoprune.service.web.live.present import Present


@dataclass(frozen=True, slots=True, eq=False)
class Pages:
    """The service, its application as the pages ask it, and what is watched for all visitors."""

    service: Service
    app: ASGIApp
    board: Board
    followings: Followings
    present: Present

    @classmethod
    def of(cls, service: Service, app: ASGIApp) -> Pages:
        """Of one server."""
        return cls(service, app, Board(service.engine), Followings(service), Present(service.engine))
