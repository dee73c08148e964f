"""One service for all tests that only ask it things."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from running_service import Running, running, spec

from autoprune.client import Client, JobDocument


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service on loopback that asks for no tokens."""
    with running(tmp_path_factory.mktemp("service"), {"limits": {"upload_bytes": 200_000}}) as started:
        yield started


@pytest.fixture(scope="session")
def client(service: Running) -> Iterator[Client]:
    """Its client."""
    with service.client() as opened:
        yield opened


@pytest.fixture(scope="session")
def finished(client: Client) -> JobDocument:
    """A job that is done."""
    job = client.wait(client.submit(spec()).id)
    assert job.state == "done", job.error
    return job
