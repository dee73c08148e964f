"""/v1/networks: what uploaded ONNX files take on a device."""

from __future__ import annotations

from fastapi import APIRouter, Response

from autoprune.client.documents import JobDocument, MeasureRequest
from autoprune.service.admission import admit_measurement, device_of
from autoprune.service.api.jobs import DeviceName, Key
from autoprune.service.records import uploads
from autoprune.service.state import Shared, Submitter, in_turn
from autoprune.service.submission import submit

router = APIRouter(prefix="/v1/networks", tags=["networks"])


@router.post("/measure", status_code=201, summary="Measure networks")
@in_turn
def measure_networks(
    asked: MeasureRequest,
    service: Shared,
    who: Submitter,
    response: Response,
    device: DeviceName = None,
    key: Key = None,
) -> JobDocument:
    """Measure the latency of ONNX files that were uploaded, as a job; several are measured in turns."""
    admit_measurement(asked, service.settings, lambda upload: uploads.find(service.engine, upload))
    chosen = device_of(device, None, service.settings)
    job, is_new = submit(service, who, "measure", "measure", asked.model_dump(mode="json"), chosen, key)
    response.status_code = 201 if is_new else 200
    return job
