"""What the pages refuse, asked without a browser: strangers, foreign pages, forms without their secret."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from running_service import Running, running

SOCKET = "/web/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("gate")) as started:
        yield started


@pytest.fixture(scope="module")
def tokens(guarded: Running) -> dict[str, str]:
    return {scope: guarded.token(scope) for scope in ("read", "submit")}


@pytest.fixture
def signed(guarded: Running, tokens: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=guarded.url) as browser:
        assert browser.post("/login", data={"token": tokens["read"]}).status_code == 303
        yield browser


@pytest.mark.parametrize("path", ["/web", "/web/", "/web/jobs", "/web/new", "/web/nowhere", "/web/table?name=x"])
def test_a_stranger_is_asked_who_they_are(guarded: Running, tokens: dict[str, str], path: str) -> None:
    assert tokens
    answer = httpx.get(f"{guarded.url}{path}")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=")


def test_signing_in_sets_cookies_that_scripts_and_other_sites_cannot_use(
    guarded: Running, tokens: dict[str, str]
) -> None:
    answer = httpx.post(f"{guarded.url}/login", data={"token": tokens["read"], "next": "/web/tables"})
    assert answer.headers["location"] == "/web/tables"
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 2
    assert all("HttpOnly" in cookie and "SameSite=strict" in cookie for cookie in cookies)


@pytest.mark.parametrize("place", ["https://elsewhere.example", "//elsewhere.example", "/v1/jobs", "/webelsewhere"])
def test_signing_in_leads_to_pages_only(guarded: Running, tokens: dict[str, str], place: str) -> None:
    answer = httpx.post(f"{guarded.url}/login", data={"token": tokens["read"], "next": place})
    assert answer.headers["location"] == "/web/jobs"


def test_a_foreign_page_signs_nobody_in(guarded: Running, tokens: dict[str, str]) -> None:
    foreign = {"Origin": "https://elsewhere.example"}
    answer = httpx.post(f"{guarded.url}/login", data={"token": tokens["read"]}, headers=foreign)
    assert (answer.status_code, answer.json()["code"]) == (403, "origin")


def test_signing_out_takes_the_secret_of_the_session(signed: httpx.Client) -> None:
    assert signed.post("/logout", data={"csrf": "guess"}).json()["code"] == "csrf"
    assert signed.get("/web/jobs").status_code == 200
    csrf = signed.cookies["autoprune_csrf"]
    assert signed.post("/logout", data={"csrf": csrf}).status_code == 303
    assert signed.get("/web/jobs").status_code == 303


def test_a_page_runs_no_script_but_its_own(signed: httpx.Client) -> None:
    answer = signed.get("/web/jobs")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self' 'nonce-" in policy
    assert "script-src 'self' 'unsafe-inline'" not in policy
    nonce = policy.split("'nonce-")[1].split("'")[0]
    assert answer.text.count("<script") == answer.text.count(f'<script nonce="{nonce}"') > 0
    assert signed.get("/web/jobs").headers["content-security-policy"] != policy


@pytest.mark.parametrize("origin", [None, "https://elsewhere.example"])
def test_a_foreign_page_may_not_speak_for_a_visitor(signed: httpx.Client, origin: str | None) -> None:
    headers = {**UPGRADE, **({"Origin": origin} if origin else {})}
    assert signed.get(SOCKET, headers=headers).status_code == 403


def test_a_stranger_may_not_speak_at_all(guarded: Running, tokens: dict[str, str]) -> None:
    assert tokens
    headers = {**UPGRADE, "Origin": guarded.url}
    assert httpx.get(f"{guarded.url}{SOCKET}", headers=headers).status_code == 403


def test_what_a_page_does_takes_the_scope_that_the_api_asks_for(signed: httpx.Client) -> None:
    csrf = {"X-CSRF-Token": signed.cookies["autoprune_csrf"]}
    assert signed.post("/v1/jobs", json={}, headers=csrf).json()["code"] == "scope"
    assert "This takes a token of scope submit." in signed.get("/web/new").text


def test_the_first_page_is_the_list_of_jobs(guarded: Running) -> None:
    assert httpx.get(guarded.url).headers["location"] == "/web/jobs"
