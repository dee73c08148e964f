"""/v1/uploads: weights, tables and networks. They are streamed to disk, and checked before anybody can use them."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path as FilePath
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Path, Query, Request

from autoprune.client.documents import UploadDocument, UploadKind
from autoprune.service.admission import upload_path
from autoprune.service.checking import check
from autoprune.service.records import uploads
from autoprune.service.records.database import now
from autoprune.service.refusal import Refusal
from autoprune.service.state import Reader, Service, Shared, Submitter, in_turn
from autoprune.service.submission import require_disk

router = APIRouter(prefix="/v1/uploads", tags=["uploads"])

UploadId = Annotated[str, Path(pattern=r"^up_[0-9a-f]{32}$")]
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_AT_ONCE = 1 << 20  # bytes that are written at a time


@router.post("", status_code=201, openapi_extra=_BODY, summary="Upload a file")
async def upload(
    request: Request,
    kind: Annotated[UploadKind, Query(description="weights (safetensors), table, or network (ONNX)")],
    service: Shared,
    who: Submitter,
) -> UploadDocument:
    """Take the request's body as a file. A file that is not whole, or not of its kind, is not kept."""
    await anyio.to_thread.run_sync(_require_room, service, who.token)
    made = f"up_{uuid.uuid4().hex}"
    path = upload_path(service.settings, made)
    part = path.with_name(f".{made}.part")
    try:
        size, digest = await _receive(request, part)
        async with service.checks:
            await anyio.to_thread.run_sync(check, kind, part)
        document = UploadDocument(id=made, kind=kind, bytes=size, sha256=digest, owner=who.name, created=now())
        part.replace(path)
        try:
            await anyio.to_thread.run_sync(uploads.insert, service.engine, document, who.token)
        except Exception:
            path.unlink(missing_ok=True)
            raise
    finally:
        part.unlink(missing_ok=True)
    return document


@router.get("", summary="List uploads")
def list_uploads(service: Shared, _who: Reader, kind: UploadKind | None = None) -> list[UploadDocument]:
    """All files that were uploaded, newest first."""
    return uploads.every(service.engine, kind)


@router.delete("/{upload}", status_code=204, summary="Delete an upload")
@in_turn
def delete_upload(upload: UploadId, service: Shared, who: Submitter) -> None:
    """Forget a file; jobs that have not begun and name it will fail, and say so."""
    token = uploads.token_of(service.engine, upload)
    if token is None:
        raise Refusal(404, "not_found", f"there is no upload {upload}")
    who.require_own(token)
    uploads.delete(service.engine, upload)
    upload_path(service.settings, upload).unlink(missing_ok=True)


def _require_room(service: Service, token: str) -> None:
    require_disk(service)
    stored, most = uploads.stored_bytes(service.engine, token), service.settings.limits.stored_bytes
    if stored >= most:
        raise Refusal(429, "quota", f"your uploads take {stored} bytes, a token may have {most}; delete some")


async def _receive(request: Request, path: FilePath) -> tuple[int, str]:
    """Write the body to `path`: its size in bytes, and the SHA-256 of it in hex."""
    digest, size, held = hashlib.sha256(), 0, bytearray()
    with path.open("xb") as file:
        async for chunk in request.stream():
            held += chunk
            if len(held) >= _AT_ONCE:
                await anyio.to_thread.run_sync(file.write, bytes(held))
                digest.update(held)
                size += len(held)
                held.clear()
        file.write(held)
    digest.update(held)
    if not size + len(held):
        raise Refusal(422, "bad_input", "the request's body is empty; send the file as application/octet-stream")
    return size + len(held), digest.hexdigest()
