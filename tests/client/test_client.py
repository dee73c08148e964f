"""The client against a service that goes away and comes back."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from running_service import Running, running, spec

from autoprune.client import Client, Event, Unreachable


def test_where_no_service_is_the_error_says_how_to_start_one(service: Running) -> None:
    assert service
    with Client("http://127.0.0.1:1", patient=False) as client, pytest.raises(Unreachable, match="autoprune serve"):
        client.health()


def test_events_go_on_where_they_broke_off_when_the_service_comes_back(tmp_path: Path) -> None:
    with running(tmp_path) as service, service.client() as client:
        job = client.submit(spec(search={"trials": 150})).id
        seen: list[Event] = []
        watching = threading.Thread(target=lambda: seen.extend(client.events(job)))
        watching.start()
        service.kill()
        service.start()
        watching.join(timeout=240)
        assert client.job(job).state == "done"
        assert [event.number for event in seen] == list(range(1, len(seen) + 1))
        assert seen[-1].data == {"state": "done"}
