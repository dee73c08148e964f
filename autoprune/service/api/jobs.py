"""/v1/jobs: submit, list, look, cancel, delete."""

from __future__ import annotations

import shutil
from typing import Annotated

from fastapi import APIRouter, Path, Query

from autoprune.client.documents import FINISHED, JobDocument, JobPage, State
from autoprune.service.admission import admit
from autoprune.service.api.ordering import Ordered
from autoprune.service.records import jobs
from autoprune.service.refusal import Refusal
from autoprune.service.state import Reader, Service, Shared, Submitter, in_turn
from autoprune.spec import RunSpec

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

JobId = Annotated[str, Path(pattern=r"^job_[0-9a-f]{32}$", description="as submitting it has answered")]
PlainText = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00-\x1f]*$")]


@router.post("", status_code=201, response_model=JobDocument, summary="Submit a run")
@in_turn
def submit_job(spec: RunSpec, service: Shared, order: Ordered) -> JobDocument:
    """Take a RunSpec, the same as the command line's, as a job.

    Files are given by the ids of uploads, models and tasks by names on the server's list (GET /v1/choices).
    """
    admit(spec, service.settings, service.find_upload)
    return order.take(service, "run", spec.name, spec.model_dump(mode="json", exclude_none=True), spec)


@router.get("", summary="List jobs")
def list_jobs(
    service: Shared,
    _who: Reader,
    state: Annotated[list[State], Query()] = [],  # noqa: B006 - FastAPI copies it
    name: PlainText = None,
    owner: PlainText = None,
    before: Annotated[str | None, Query(pattern=r"^job_[0-9a-f]{32}$", description="`next` of a page")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> JobPage:
    """The newest jobs first, by state, part of the name, or owner."""
    return jobs.page(service.engine, states=state, name=name, owner=owner, before=before, limit=limit)


@router.get("/{job}", summary="Look at a job")
def show_job(job: JobId, service: Shared, _who: Reader) -> JobDocument:
    """Where a job stands."""
    return existing(service, job)


@router.post("/{job}/cancel", summary="Cancel a job")
@in_turn
def cancel_job(job: JobId, service: Shared, who: Submitter) -> JobDocument:
    """Stop a job; what it has found so far stays until it is deleted."""
    who.require_own(owner_of(service, job))
    jobs.end(service.engine, job, "cancelled")
    return existing(service, job)


@router.delete("/{job}", status_code=204, summary="Delete a job")
@in_turn
def delete_job(job: JobId, service: Shared, who: Submitter) -> None:
    """Forget a job that is over, with all its files."""
    who.require_own(owner_of(service, job))
    state = existing(service, job).state
    if not jobs.delete(service.engine, job):
        way_out = "it is being stopped, try again in a moment" if state in FINISHED else "cancel it first"
        raise Refusal(409, "conflict", f"the job is {state}: {way_out}", retry_after=1)
    shutil.rmtree(service.settings.runs / job, ignore_errors=True)


def existing(service: Service, job: str) -> JobDocument:
    """The job with this id; raises `Refusal` where there is none."""
    found = jobs.find(service.engine, job)
    if found is None:
        raise Refusal(404, "not_found", f"there is no job {job}")
    return found


def owner_of(service: Service, job: str) -> str:
    """The id of the token that submitted a job; raises `Refusal` where there is none."""
    found = jobs.token_of(service.engine, job)
    if found is None:
        raise Refusal(404, "not_found", f"there is no job {job}")
    return found
