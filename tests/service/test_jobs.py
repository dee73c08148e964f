"""Jobs from submission to their files, through a server and a worker that run."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from running_service import MODELS, Running, spec, wait_until

from autoprune import pipeline
from autoprune.client import Client, JobDocument, ServiceProblem
from autoprune.client.documents import VerifyRequest
from autoprune.deploy.policy.document import PolicyFile
from autoprune.deploy.report.document import Report
from autoprune.spec import CRITERIA, DeviceSpec, ModelSpec
from autoprune.tables.reading import read_table


def test_a_job_ends_as_the_same_run_on_the_command_line(client: Client, finished: JobDocument, tmp_path: Path) -> None:
    client.fetch(finished.id, tmp_path / "job")
    plain = spec(model={"name": "tiny:tiny_net"})
    pipeline.run(plain, tmp_path / "run")
    for name in ("policy.json", "model.safetensors"):
        mine, its = (tmp_path / place / name for place in ("run", "job"))
        if name == "policy.json":
            assert PolicyFile.load(mine).groups == PolicyFile.load(its).groups
        assert mine.read_bytes() == its.read_bytes()
    assert Report.load(tmp_path / "job" / "report.json").search.trials == 12


def test_a_job_has_the_files_of_a_run_and_no_others(client: Client, finished: JobDocument) -> None:
    names = {artefact.name for artefact in client.artefacts(finished.id)}
    assert names == {"policy.json", "model.onnx", "model.safetensors", "report.json", "report.html"}


@pytest.mark.parametrize("name", ["spec.toml", "study.db", "..%2Fservice.db", "%2e%2e/%2e%2e/service.db", "nothing"])
def test_nothing_else_of_the_server_is_handed_out(service: Running, finished: JobDocument, name: str) -> None:
    answer = httpx.get(f"{service.url}/v1/jobs/{finished.id}/artefacts/{name}")
    assert answer.status_code in (404, 422)


def test_a_report_page_may_load_nothing(service: Running, finished: JobDocument) -> None:
    answer = httpx.get(f"{service.url}/v1/jobs/{finished.id}/artefacts/report.html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert str(service.data) not in answer.text  # where the data lie is nobody's business


def test_trials_are_told_as_they_stand_in_the_ledger(client: Client, finished: JobDocument) -> None:
    trials = client.trials(finished.id)
    assert [trial.number for trial in trials] == list(range(12))
    assert client.trials(finished.id, after=10) == trials[10:]
    assert all(trial.costs["macs"] > 0 and trial.reward is not None for trial in trials)


def test_events_count_from_one_and_go_on_after_any(client: Client, finished: JobDocument) -> None:
    events = list(client.events(finished.id))
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    stages = dict.fromkeys(e.data["stage"] for e in events if e.kind == "stage")  # a late worker begins one again
    assert list(stages) == ["profile", "search", "apply", "fine-tune", "export", "measure"]
    assert [e.data["state"] for e in events if e.kind == "state"] == ["queued", "done"]
    assert list(client.events(finished.id, after=5)) == events[5:]


def test_a_stream_is_an_event_stream_that_takes_the_last_id(service: Running, finished: JobDocument) -> None:
    answer = httpx.get(f"{service.url}/v1/jobs/{finished.id}/events", headers={"Last-Event-ID": "2"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.startswith("id: 3\nevent: ")


def test_the_same_key_makes_no_second_job(client: Client) -> None:
    first, again = (client.submit(spec(name="keyed"), key="mine") for _ in range(2))
    assert first.id == again.id
    with pytest.raises(ServiceProblem, match="belongs to another job") as refused:
        client.submit(spec(name="another"), key="mine")
    assert refused.value.status == 409
    assert [job.id for job in client.jobs(name="keyed")] == [first.id]
    client.cancel(first.id)


def test_jobs_are_listed_newest_first_in_pages_and_by_state(service: Running, client: Client) -> None:
    made = [client.submit(spec(name=f"listed{number}")).id for number in range(3)]
    for job in made:
        client.cancel(job)
    listed = list(client.jobs(name="listed", states=["cancelled"]))
    assert [job.id for job in listed] == made[::-1]
    first = httpx.get(f"{service.url}/v1/jobs", params={"name": "listed", "limit": 2}).json()
    second = httpx.get(f"{service.url}/v1/jobs", params={"name": "listed", "limit": 2, "before": first["next"]}).json()
    assert [job["id"] for page in (first, second) for job in page["jobs"]] == made[::-1]
    assert second["next"] is None
    assert list(client.jobs(name="listed", states=["done"])) == []


def test_a_running_job_is_cancelled_and_then_deleted(service: Running, client: Client) -> None:
    job = client.submit(spec(name="long", search={"trials": 5000})).id
    wait_until(lambda: client.job(job).doing == "searching")
    assert client.cancel(job).state == "cancelled"
    assert [event.data for event in client.events(job)][-1] == {"state": "cancelled"}

    wait_until(lambda: httpx.delete(f"{service.url}/v1/jobs/{job}").status_code == 204)
    assert not (service.data / "runs" / job).exists()
    with pytest.raises(ServiceProblem) as gone:
        client.job(job)
    assert gone.value.status == 404


def test_a_job_that_cannot_keep_its_budget_fails_and_says_why(client: Client) -> None:
    job = client.wait(client.submit(spec(name="failing", search={"budgets": ["macs=0.001x"]})).id)
    assert job.state == "failed"
    assert job.error is not None
    assert "smallest network costs" in job.error
    with pytest.raises(ServiceProblem, match="cancel it first"):
        client.delete(client.submit(spec(name="kept")).id)


def test_a_verification_is_a_job_that_leaves_what_it_found(client: Client, tmp_path: Path) -> None:
    model, device, shape = ModelSpec(**MODELS["wide"]), DeviceSpec(seconds=1), (1, 1, 8, 8)
    pipeline.profile(model, device, shape, tmp_path / "table.json")
    table = client.upload(tmp_path / "table.json", "table").id
    job = client.wait(client.verify(VerifyRequest(table=table, model="wide", input=shape, networks=2)).id)
    assert job.state == "done", job.error
    client.fetch(job.id, tmp_path / "got")
    [network] = read_table(tmp_path / "got" / "table.json").networks.values()
    assert network.verification is not None
    told = json.loads((tmp_path / "got" / "verification.json").read_text())
    assert (told["networks"], told["mape"]) == (2, network.verification.mape)
    with pytest.raises(ServiceProblem, match="not on the server's list"):
        client.verify(VerifyRequest(table=table, model="resnet18", input=shape))


def test_an_installed_table_is_shown_with_its_stairs(service: Running, client: Client) -> None:
    table = client.tables()[0]
    shown = httpx.get(f"{service.url}/v1/tables/{table.name}", params={"network": table.networks[0].digest}).json()
    assert shown["network"]["stairs"]


def test_devices_choices_and_health_are_told(service: Running, client: Client) -> None:
    [device] = client.devices()
    assert (device.name, device.provider, device.workers) == ("local", "cpu", 1)
    choices = httpx.get(f"{service.url}/v1/choices").json()
    assert choices["models"] == list(MODELS)
    assert choices["criteria"] == list(CRITERIA)
    assert client.health().ready
    httpx.get(f"{service.url}/v1/jobs/job_{32 * '0'}")
    figures = httpx.get(f"{service.url}/metrics").text
    assert 'autoprune_requests_total{method="GET",route="/v1/jobs/{job}",status="404"}' in figures


def test_the_documentation_loads_nothing_from_elsewhere(service: Running) -> None:
    page = httpx.get(f"{service.url}/docs")
    assert page.status_code == 200
    assert "http" not in page.text.replace("httpx", "").replace("HTTP", "")
    assert "the HTTP interface" in page.text
    for name in ("swagger-ui.css", "swagger-ui-bundle.js"):
        assert httpx.get(f"{service.url}/docs/files/{name}").status_code == 200
    schema = httpx.get(f"{service.url}/openapi.json").json()
    assert schema["paths"]["/v1/jobs"]["post"]["security"]
    assert schema["components"]["schemas"]["SearchSpec"]["properties"]["budgets"]["items"]["type"] == "string"
