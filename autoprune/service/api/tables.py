"""/v1/devices and /v1/tables: what jobs are measured on, and the tables of kernel times."""

from __future__ import annotations

import functools
import math
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path

from autoprune.client.documents import DeviceDocument, JobDocument, TableDocument, TableNetwork, VerifyRequest
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.service.admission import admit_verification, table_file, table_name, upload_path
from autoprune.service.api.ordering import Ordered
from autoprune.service.records import jobs, uploads, workers
from autoprune.service.state import Reader, Shared, in_turn
from autoprune.tables.installed import table_paths
from autoprune.tables.reading import read_table
from autoprune.tables.review import Review, find_network

router = APIRouter(prefix="/v1", tags=["tables"])

TableName = Annotated[str, Path(max_length=200, pattern=r"^[A-Za-z0-9._/-]+$", description="DEVICE/NAME, or an id")]


@router.get("/devices", summary="List devices")
def list_devices(service: Shared, _who: Reader) -> list[DeviceDocument]:
    """The devices that jobs can be measured on, and how busy they are."""
    alive = workers.alive(service.engine, service.settings.lease_seconds).values()
    counts = jobs.count_by_state(service.engine)
    return [
        DeviceDocument(
            name=name,
            provider=device.provider,
            workers=sum(name in served for served in alive),
            queued=counts.get((name, "queued"), 0),
            running=counts.get((name, "running"), 0),
        )
        for name, device in service.settings.devices.items()
    ]


@router.get("/tables", summary="List tables")
def list_tables(service: Shared, _who: Reader) -> list[TableDocument]:
    """The latency tables that are installed, and those that were uploaded."""
    own = {upload.id: upload_path(service.settings, upload.id) for upload in uploads.every(service.engine, "table")}
    installed = {table_name(path): path for path in table_paths()}
    return [_document(name, path, _stamp(path)) for name, path in {**installed, **own}.items() if path.is_file()]


@router.post("/tables/verify", status_code=201, summary="Verify a table")
@in_turn
def verify_table(asked: VerifyRequest, service: Shared, order: Ordered) -> JobDocument:
    """Check a table against the clock, as a job: networks it was not made from are measured, and compared."""
    admit_verification(asked, service.settings, service.find_upload)
    return order.take(service, "verify", f"verify-{asked.model}", asked.model_dump(mode="json"))


@router.get("/tables/{name:path}", summary="Look at a table")
def show_table(name: TableName, service: Shared, _who: Reader, network: str | None = None) -> dict[str, Any]:
    """One table and its networks; with `network` (a name or digest) how that one was verified, and its stairs."""
    path = table_file(name, service.settings, service.find_upload)
    told = _document(name, path, _stamp(path)).model_dump(mode="json")
    if network is not None:
        told["network"] = _reviewed(_read(path, _stamp(path)), network)
    return told


def _reviewed(table: LatencyTable, network: str) -> dict[str, Any]:
    review = Review.of(table, find_network(table, network))
    groups = zip(review.profile.groups, review.stairs, strict=True)
    verification = review.profile.verification
    return {
        "name": review.profile.name,
        "digest": review.digest,
        "verification": None if verification is None else asdict(verification),
        "stairs": {
            group.name: [{"width": s.width, "ms": s.ms, "worth_offering": s.worth_offering} for s in steps if _known(s)]
            for group, steps in groups
        },
    }


def _known(step: Any) -> bool:
    return math.isfinite(step.ms)


def _stamp(path: FilePath) -> int:
    return path.stat().st_mtime_ns


@functools.lru_cache(maxsize=32)
def _read(path: FilePath, stamp: int) -> LatencyTable:  # noqa: ARG001 - a changed file is another entry
    return read_table(path)


@functools.lru_cache(maxsize=512)
def _document(name: str, path: FilePath, stamp: int) -> TableDocument:
    table = _read(path, stamp)
    fingerprint = table.fingerprint
    return TableDocument(
        name=name,
        device=fingerprint.gpu or fingerprint.cpu,
        provider=fingerprint.provider,
        threads=fingerprint.threads,
        runtime=fingerprint.runtime,
        created=table.created,
        kernels=len(table.rows),
        networks=tuple(
            TableNetwork(
                name=held.name,
                digest=digest,
                input_shape=held.input_shape,
                within_5pct=held.verification.within_5pct if held.verification else None,
            )
            for digest, held in table.networks.items()
        ),
    )
