"""A field that uploads a file by the service's own API, and says how that went."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from autoprune.client.documents import Problem, UploadKind
from autoprune.service.web import markup
from autoprune.service.web.pages import fields
from autoprune.service.web.pages.frame import area, fill
from autoprune.service.web.visitor import Visitor

_ACCEPTED: Final[dict[UploadKind, str]] = {"weights": ".safetensors", "table": ".json,.gz", "network": ".onnx"}


def upload_field(label: str, kind: UploadKind, visitor: Visitor, done: Callable[[str], Awaitable[None]]) -> None:
    """The field; `done` is called with the upload's id."""

    async def told(news: Mapping[str, Any]) -> None:
        fill(said, _said(news))
        if news.get("status") == 201:
            await done(str(news["answer"]["id"]))

    fields.upload(label, _ACCEPTED[kind], f"/v1/uploads?kind={kind}", visitor.csrf, told)
    said = area(classes="said").props("role=status")


def _said(news: Mapping[str, Any]) -> str:
    name, status = str(news.get("name", "")), news.get("status")
    if status is None:
        return markup.render("nothing", what=f"{name} is being sent and checked …")
    if status == 201:
        return markup.render("nothing", what=f"{name} is there.")
    return markup.render("notice", text=f"{name}: {_reason(news)}")


def _reason(news: Mapping[str, Any]) -> str:
    try:
        return Problem.model_validate(news.get("answer")).error
    except ValidationError:
        return "the service did not answer; try again in a moment"
