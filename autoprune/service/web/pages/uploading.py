"""A field that uploads a file by the service's own API, and says how that went."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from autoprune.client.documents import Problem, UploadKind
from autoprune.service.web import markup
from autoprune.service.web.pages import fields
from autoprune.service.web.pages.frame import area, fill, notice, warn
from autoprune.service.web.visitor import Visitor

_ACCEPTED: Final[dict[UploadKind, str]] = {"weights": ".safetensors", "table": ".json,.gz", "network": ".onnx"}


def upload_field(label: str, kind: UploadKind, visitor: Visitor, done: Callable[[str], Awaitable[None]]) -> None:
    """The field; `done` is called with the upload's id."""

    async def told(news: Mapping[str, Any]) -> None:
        name, status = str(news.get("name", "")), news.get("status")
        what = f"{name} is being sent and checked …" if status is None else f"{name} is there." if status == 201 else ""
        fill(said, markup.render("nothing", what=what))
        warn(problem, "" if what else f"{name}: {_reason(news)}")
        if status == 201:
            await done(str(news["answer"]["id"]))

    fields.upload(label, _ACCEPTED[kind], f"/v1/uploads?kind={kind}", visitor.csrf, told)
    said, problem = area(classes="said").props("role=status"), notice()


def _reason(news: Mapping[str, Any]) -> str:
    try:
        return Problem.model_validate(news.get("answer")).error
    except ValidationError:
        return "the service did not answer; try again in a moment"
