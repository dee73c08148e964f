"""A real browser at a real service."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from running_service import Running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Headless Chromium, for as long as the block runs; skips where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser, and is not installed")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("the pages are tested in Chromium, which is not installed (Debian: apt-get install chromium)")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page of the service, and what the browser had to complain of while it was open."""

    service: Running
    page: Page
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        """Open a page, and wait until it is connected."""
        self.page.goto(f"{self.service.url}{path}")
        self.page.wait_for_function("() => window.did_handshake === true")

    def sign_in(self, token: str) -> None:
        """Sign in by the form."""
        self.page.goto(f"{self.service.url}/login")
        self.page.get_by_label("Token").fill(token)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url("**/web/jobs")


@contextmanager
def visiting(browser: Browser, service: Running, **options: Any) -> Iterator[Visit]:
    """A browser's window of its own; afterwards nothing was wrong: no error, no script refused, no other host asked."""
    context = browser.new_context(**options)
    context.set_default_timeout(60_000)
    visit = Visit(service, context.new_page())
    page, own = visit.page, (service.url, service.url.replace("http", "ws"), "data:")
    page.on("console", lambda told: visit.complaints.append(told.text) if told.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(own) else visit.complaints.append(asked.url))
    yield visit
    context.close()
    assert not visit.complaints, visit.complaints
