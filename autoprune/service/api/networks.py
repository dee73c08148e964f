"""/v1/networks: what uploaded ONNX files take on a device."""

from __future__ import annotations

from fastapi import APIRouter

from autoprune.client.documents import JobDocument, MeasureRequest
from autoprune.service.admission import admit_measurement
from autoprune.service.api.ordering import Ordered
from autoprune.service.state import Shared, in_turn

router = APIRouter(prefix="/v1/networks", tags=["networks"])


@router.post("/measure", status_code=201, summary="Measure networks")
@in_turn
def measure_networks(asked: MeasureRequest, service: Shared, order: Ordered) -> JobDocument:
    """Measure the latency of ONNX files that were uploaded, as a job; several are measured in turns."""
    admit_measurement(asked, service.settings, service.find_upload)
    return order.take(service, "measure", "measure", asked.model_dump(mode="json"))
