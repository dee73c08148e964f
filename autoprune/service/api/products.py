"""/v1/jobs/JOB/...: what comes of a job while it runs and after: events, trials, artefacts."""

from __future__ import annotations

from typing import Annotated, Literal

import anyio.to_thread
from fastapi import APIRouter, Header, Query
from starlette.responses import FileResponse, StreamingResponse

from autoprune.client.documents import Artefact, TrialDocument
from autoprune.service.api.jobs import JobId, existing
from autoprune.service.ledgers import trials_of
from autoprune.service.refusal import Refusal
from autoprune.service.state import Reader, Shared

router = APIRouter(prefix="/v1/jobs/{job}", tags=["jobs"])

ArtefactName = Literal[
    "policy.json",
    "model.onnx",
    "model.safetensors",
    "report.json",
    "report.html",
    "front.json",
    "front.html",
    "table.json",
    "table.json.gz",
    "verification.json",
    "measurement.json",
]
NAMES: tuple[ArtefactName, ...] = ArtefactName.__args__  # type: ignore[attr-defined]
# A page of a run brings its own styles and scripts, and nothing from elsewhere.
_PAGE = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; sandbox allow-scripts"
)
_EVENT_STREAM = {"content": {"text/event-stream": {}}, "description": "server-sent events"}


@router.get("/events", response_class=StreamingResponse, responses={200: _EVENT_STREAM}, summary="Follow a job")
async def follow(
    job: JobId,
    service: Shared,
    _who: Reader,
    last: Annotated[str | None, Header(alias="Last-Event-ID", pattern=r"^[0-9]{1,9}$")] = None,
    after: Annotated[int, Query(ge=0, le=999_999_999, description="only events after this number")] = 0,
) -> StreamingResponse:
    """What happens to a job, as server-sent events, from the first one or after the last that was seen."""
    if service.feed.streams >= service.settings.limits.streams:
        error = f"{service.settings.limits.streams} streams are open, as many as the server allows"
        raise Refusal(503, "busy", error, retry_after=10)
    found = await anyio.to_thread.run_sync(existing, service, job)
    start = int(last) if last is not None else after
    stream = service.feed.stream(job, start, is_over=found.is_finished)
    return StreamingResponse(stream, media_type="text/event-stream")


@router.get("/trials", summary="What a search has tried")
def list_trials(
    job: JobId, service: Shared, _who: Reader, after: Annotated[int, Query(ge=0, le=10_000_000)] = 0
) -> list[TrialDocument]:
    """The job's trials in the order in which they were scored, but for the first `after`."""
    existing(service, job)
    return trials_of(service.settings.runs / job)[after:]


@router.get("/artefacts", summary="List a job's files")
def list_artefacts(job: JobId, service: Shared, _who: Reader) -> list[Artefact]:
    """The files that the job has made so far."""
    existing(service, job)
    folder = service.settings.runs / job
    return [Artefact(name=name, bytes=(folder / name).stat().st_size) for name in NAMES if (folder / name).is_file()]


@router.get("/artefacts/{name}", response_class=FileResponse, summary="Fetch a job's file")
def fetch_artefact(job: JobId, name: ArtefactName, service: Shared, _who: Reader) -> FileResponse:
    """One file: the policy, the network as ONNX or its tensors, the report, a table."""
    existing(service, job)
    path = service.settings.runs / job / name
    if not path.is_file():
        raise Refusal(404, "not_found", f"the job has made no {name} (yet)")
    page = {"Content-Security-Policy": _PAGE} if path.suffix == ".html" else {}
    return FileResponse(path, headers=page, filename=None if page else name)
