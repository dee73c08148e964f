"""A typed client of the service; it needs httpx and pydantic, neither torch nor fastapi."""

from autoprune.client.client import Client
from autoprune.client.documents import (
    Artefact,
    DeviceDocument,
    Event,
    Health,
    JobDocument,
    JobPage,
    MeasuredNetwork,
    MeasureRequest,
    TableDocument,
    TokenDocument,
    TrialDocument,
    UploadDocument,
)
from autoprune.client.problem import ServiceProblem, Unreachable

__all__ = [
    "Artefact",
    "Client",
    "DeviceDocument",
    "Event",
    "Health",
    "JobDocument",
    "JobPage",
    "MeasureRequest",
    "MeasuredNetwork",
    "ServiceProblem",
    "TableDocument",
    "TokenDocument",
    "TrialDocument",
    "Unreachable",
    "UploadDocument",
]
