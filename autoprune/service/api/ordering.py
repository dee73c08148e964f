"""What every request for a job brings beside what it asks for: by whom, for which device, under which key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Query, Response
from pydantic import JsonValue

from autoprune.client.documents import JobDocument, Kind
from autoprune.service.admission import device_of
from autoprune.service.security.identity import Identity
from autoprune.service.state import Service, Submitter
from autoprune.service.submission import submit
from autoprune.spec import RunSpec

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="the same key again answers with the same job, and makes no other",
    ),
]
DeviceName = Annotated[str | None, Query(max_length=64, description="where to measure; by default the first device")]


@dataclass(frozen=True, slots=True)
class Order:
    """Of one request; its `response` says whether a job is new."""

    who: Identity
    device: str | None
    key: str | None
    response: Response

    def take(
        self, service: Service, kind: Kind, name: str, asked: dict[str, JsonValue], spec: RunSpec | None = None
    ) -> JobDocument:
        """The job that is `asked` for, or the one that was under this key before.

        Raises `BadInput` where the device is not the server's, or not what `spec` wants, and `Refusal` where no job is
        taken now.
        """
        device = device_of(self.device, spec, service.settings)
        job, is_new = submit(service, self.who, kind, name, asked, device, self.key)
        self.response.status_code = 201 if is_new else 200
        return job


async def _order(who: Submitter, response: Response, device: DeviceName = None, key: Key = None) -> Order:
    return Order(who, device, key, response)


Ordered = Annotated[Order, Depends(_order)]
