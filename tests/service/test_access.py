"""Who may do what: tokens and their scopes, sessions of browsers, what a foreign page tries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from running_service import Running, running, spec

JOB = spec(name="scoped").model_dump(mode="json", exclude_none=True)
NO_JOB = "job_" + 32 * "0"
ROUTES = {  # of each route, the least scope, and what it answers to one who has it
    ("GET", "/v1/jobs"): ("read", 200),
    ("POST", "/v1/jobs"): ("submit", 422),
    ("GET", f"/v1/jobs/{NO_JOB}"): ("read", 404),
    ("GET", f"/v1/jobs/{NO_JOB}/events"): ("read", 404),
    ("GET", f"/v1/jobs/{NO_JOB}/trials"): ("read", 404),
    ("GET", f"/v1/jobs/{NO_JOB}/artefacts"): ("read", 404),
    ("GET", f"/v1/jobs/{NO_JOB}/artefacts/policy.json"): ("read", 404),
    ("POST", f"/v1/jobs/{NO_JOB}/cancel"): ("submit", 404),
    ("DELETE", f"/v1/jobs/{NO_JOB}"): ("submit", 404),
    ("GET", "/v1/uploads"): ("read", 200),
    ("POST", "/v1/uploads?kind=table"): ("submit", 422),
    ("DELETE", "/v1/uploads/up_" + 32 * "0"): ("submit", 404),
    ("GET", "/v1/devices"): ("read", 200),
    ("GET", "/v1/tables"): ("read", 200),
    ("GET", "/v1/tables/nowhere/nothing"): ("read", 422),
    ("POST", "/v1/tables/verify"): ("submit", 422),
    ("POST", "/v1/networks/measure"): ("submit", 422),
    ("GET", "/v1/choices"): ("read", 200),
    ("GET", "/metrics"): ("read", 200),
    ("GET", "/v1/tokens"): ("admin", 200),
    ("POST", "/v1/tokens"): ("admin", 422),
    ("DELETE", "/v1/tokens/" + 16 * "0"): ("admin", 404),
    ("GET", "/v1/audit"): ("admin", 200),
}
SCOPES = ("read", "submit", "admin")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service that carries nothing out, and asks for tokens."""
    folder = tmp_path_factory.mktemp("guarded")
    started = Running(folder, {"workers": 0, "limits": {"waiting_jobs": 2}})
    started.start(ready=False)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def tokens(guarded: Running) -> dict[str, str]:
    """A token of each scope."""
    return {scope: guarded.token(scope) for scope in SCOPES}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_each_route_takes_its_scope_and_no_less(
    guarded: Running, tokens: dict[str, str], method: str, path: str
) -> None:
    least, expected = ROUTES[method, path]
    assert httpx.request(method, f"{guarded.url}{path}").status_code == 401
    for scope in SCOPES:
        answer = httpx.request(method, f"{guarded.url}{path}", headers=bearer(tokens[scope]))
        enough = SCOPES.index(scope) >= SCOPES.index(least)
        assert answer.status_code == (expected if enough else 403), answer.text
        if not enough:
            assert answer.json()["code"] == "scope"


def test_no_route_of_the_schema_is_forgotten_here(guarded: Running) -> None:
    paths = httpx.get(f"{guarded.url}/openapi.json").json()["paths"]
    open_to_all = {("GET", "/healthz"), ("GET", "/v1/health"), ("POST", "/v1/session"), ("DELETE", "/v1/session")}
    told = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert open_to_all < told
    for method, path in told - open_to_all:
        pattern = re.compile(re.sub(r"\\{\w+\\}", ".+", re.escape(path)) + r"(\?.*)?")
        assert any(method == its and pattern.fullmatch(asked) for its, asked in ROUTES), (method, path)


@pytest.mark.parametrize("wrong", ["ap", "ap_x_y", "Bearer", "ap_0000000000000000_nothing", "é" * 40])
def test_what_is_no_token_opens_nothing(guarded: Running, tokens: dict[str, str], wrong: str) -> None:
    assert tokens
    headers = {b"Authorization": f"Bearer {wrong}".encode()}
    assert httpx.get(f"{guarded.url}/v1/jobs", headers=headers).status_code == 401


def test_tokens_are_not_in_the_database_and_can_be_revoked(guarded: Running) -> None:
    made = guarded.token("read")
    stored = b"".join(path.read_bytes() for path in guarded.data.glob("service.db*"))
    assert made.split("_", 2)[2].encode() not in stored
    assert httpx.get(f"{guarded.url}/v1/jobs", headers=bearer(made)).status_code == 200
    assert guarded.command("token", "revoke", made.split("_")[1]).returncode == 0
    assert httpx.get(f"{guarded.url}/v1/jobs", headers=bearer(made)).status_code == 401


def test_a_session_changes_nothing_without_its_own_csrf_token(guarded: Running, tokens: dict[str, str]) -> None:
    with httpx.Client(base_url=guarded.url) as browser:
        signed = browser.post("/v1/session", json={"token": tokens["submit"]})
        cookie = signed.headers["set-cookie"]
        assert all(part in cookie for part in ("HttpOnly", "SameSite=strict"))
        assert browser.get("/v1/jobs").status_code == 200
        assert browser.post("/v1/jobs", json=JOB).json()["code"] == "csrf"
        assert browser.post("/v1/jobs", json=JOB, headers={"X-CSRF-Token": "guess"}).json()["code"] == "csrf"
        csrf = {"X-CSRF-Token": signed.json()["csrf"]}
        made = browser.post("/v1/jobs", json=JOB, headers=csrf)
        assert made.status_code == 201
        foreign = {**csrf, "Origin": "https://elsewhere.example"}
        assert browser.post(f"/v1/jobs/{made.json()['id']}/cancel", headers=foreign).json()["code"] == "origin"
        assert browser.post(f"/v1/jobs/{made.json()['id']}/cancel", headers=csrf).status_code == 200
        assert browser.delete("/v1/session", headers=csrf).status_code == 204
        assert browser.get("/v1/jobs").status_code == 401


def test_only_its_own_token_or_an_admin_changes_a_job(guarded: Running, tokens: dict[str, str]) -> None:
    made = httpx.post(f"{guarded.url}/v1/jobs", json=JOB, headers=bearer(tokens["submit"])).json()
    path = f"{guarded.url}/v1/jobs/{made['id']}/cancel"
    assert httpx.post(path, headers=bearer(guarded.token("submit"))).status_code == 403
    assert httpx.post(path, headers=bearer(tokens["admin"])).json()["state"] == "cancelled"


def test_a_token_has_so_many_jobs_and_no_more(guarded: Running) -> None:
    headers = bearer(guarded.token("submit"))
    answers = [httpx.post(f"{guarded.url}/v1/jobs", json=JOB, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert answers[-1].json()["code"] == "quota"


def test_what_is_changed_stands_in_the_audit_log(guarded: Running, tokens: dict[str, str]) -> None:
    httpx.delete(f"{guarded.url}/v1/jobs/{NO_JOB}", headers=bearer(tokens["submit"]))
    lines = httpx.get(f"{guarded.url}/v1/audit", headers=bearer(tokens["admin"])).json()
    found = next(line for line in lines if line["target"] == f"/v1/jobs/{NO_JOB}" and line["who"] == "submit")
    assert (found["action"], found["status"], found["address"]) == ("DELETE", 404, "127.0.0.1")


def test_another_name_of_this_machine_is_not_served(guarded: Running) -> None:
    answer = httpx.get(f"{guarded.url}/healthz", headers={"Host": "attacker.example"})
    assert (answer.status_code, answer.json()["code"]) == (421, "host")


def test_every_answer_has_the_headers_of_a_careful_server(guarded: Running) -> None:
    for path in ("/healthz", "/v1/jobs", "/nowhere", "/docs"):
        headers = httpx.get(f"{guarded.url}{path}").headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_a_foreign_page_changes_nothing_where_no_token_is_asked_for(service: Running) -> None:
    headers = {"Origin": "https://elsewhere.example"}
    answer = httpx.post(f"{service.url}/v1/jobs", json=JOB, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "origin")


def test_off_loopback_no_server_starts_without_a_token(tmp_path: Path) -> None:
    done = Running(tmp_path, {"host": "0.0.0.0"}).command("serve")
    assert done.returncode == 2
    assert "autoprune token create" in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_too_many_requests_are_told_when_to_come_again(tmp_path: Path) -> None:
    limits = {"requests_per_second": 1, "burst": 10}
    with running(tmp_path, {"workers": 1, "limits": limits}) as limited:
        answers = [httpx.get(f"{limited.url}/healthz") for _ in range(20)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].json()["code"] == "rate"
    assert int(refused[0].headers["retry-after"]) >= 1
