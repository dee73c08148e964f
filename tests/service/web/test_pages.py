"""The pages in a browser: each of them opened, a job submitted, watched and cancelled, with a mouse and without."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from browsing import Visit, chromium, visiting
from running_service import Running, running, spec, wait_until
from safetensors.torch import save
from tiny import tiny_net

from autoprune import pipeline
from autoprune.client import Client, JobDocument, MeasureRequest
from autoprune.deploy.onnx_file.export import export_onnx
from autoprune.spec import DeviceSpec, ModelSpec

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog

WIDE = {"name": "digits_cnn", "options": {"widths": [16, 24, 32]}}  # of which a few seconds' table leaves some unseen
MODELS = {"tiny": {"name": "tiny:tiny_net"}, "resnet56": {}, "wide": WIDE}
STATIONS = ("/web/jobs", "/web/compare", "/web/tables", "/web/new")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def guarded(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    assert browser
    with running(tmp_path_factory.mktemp("pages"), {"models": MODELS}) as started:
        yield started


@pytest.fixture(scope="module")
def token(guarded: Running) -> str:
    return guarded.token("submit")


@pytest.fixture(scope="module")
def inside(guarded: Running, token: str) -> Iterator[Client]:
    with guarded.client(token) as client:
        yield client


@pytest.fixture(scope="module")
def done(inside: Client) -> JobDocument:
    job = inside.wait(inside.submit(spec(name="first")).id)
    assert job.state == "done", job.error
    return job


@pytest.fixture
def visit(browser: Browser, guarded: Running, token: str) -> Iterator[Visit]:
    with visiting(browser, guarded) as opened:
        opened.sign_in(token)
        yield opened


def test_all_pages_are_clicked_through(visit: Visit, done: JobDocument) -> None:
    page = visit.page
    page.get_by_role("link", name=done.name).first.click()
    page.get_by_role("heading", name=re.compile("accuracy")).wait_for()
    assert page.get_by_role("img").count() == 3
    assert page.get_by_role("link", name="model.onnx").count() == 1
    page.get_by_role("combobox", name="Score against").select_option("params")
    page.get_by_role("img", name=re.compile("parameters")).wait_for()
    page.get_by_role("link", name="Compare with another job").click()
    page.get_by_role("combobox", name="Second job").select_option(done.id)
    page.get_by_role("img", name=re.compile("Best reward so far")).wait_for()
    page.get_by_role("link", name="Tables").click()
    page.get_by_role("link", name="resnet56").first.click()
    page.get_by_role("img", name=re.compile("Predicted against measured")).wait_for()
    assert page.get_by_role("img", name=re.compile("Time of layer1")).count() > 3


def test_a_job_is_submitted_by_the_form_and_watched_to_its_end(visit: Visit) -> None:
    visit.go("/web/new")
    page = visit.page
    page.get_by_label("Name").fill("by-hand")
    page.get_by_role("combobox", name="Model").select_option("tiny")
    page.get_by_role("combobox", name="Cost").select_option("macs")
    page.get_by_role("combobox", name="Agent").select_option("evolution")
    page.get_by_text("He et al.").or_(page.locator(".source")).first.wait_for()
    page.get_by_label("Trials").fill("12")
    page.get_by_text("More").click()
    page.get_by_role("combobox", name="Channels chosen by").select_option("l2")
    page.get_by_label("Images of each split").fill("64")
    page.get_by_label("Training steps a block").fill("4")
    page.get_by_label("Steps of all blocks").fill("4")
    page.get_by_role("button", name="Submit job").click()
    page.wait_for_url("**/web/jobs/job_*")
    page.evaluate("window.untouched = true")
    page.get_by_role("status").get_by_text("done").wait_for(timeout=60_000)
    page.get_by_role("img", name=re.compile(r"Reward of \d+ trials")).wait_for()
    page.get_by_role("heading", name=re.compile("accuracy")).wait_for()
    assert page.evaluate("window.untouched")  # it was watched, not loaded again


def test_the_form_says_what_the_table_predicts_and_what_is_wrong(visit: Visit) -> None:
    visit.go("/web/new")
    page = visit.page
    page.get_by_role("combobox", name="Model").select_option("resnet56")
    page.get_by_text("is predicted to take").wait_for()
    before = page.locator(".foretold").inner_text()
    page.get_by_label("At most this share").fill("30")
    page.get_by_text("30%", exact=True).wait_for()
    page.wait_for_function("(before) => document.querySelector('.foretold').innerText !== before", arg=before)
    page.get_by_label("Name").fill("no good name")
    page.get_by_role("button", name="Submit job").click()
    page.get_by_role("alert").get_by_text("name").wait_for()
    visit.complaints.clear()


def test_several_budgets_are_asked_for_as_shares_and_as_amounts(visit: Visit, inside: Client) -> None:
    visit.go("/web/new")
    page = visit.page
    page.get_by_label("Name").fill("budgets")
    page.get_by_role("combobox", name="Model").select_option("tiny")
    page.get_by_role("combobox", name="Cost").select_option("macs")
    page.get_by_role("button", name="Add a budget").click()
    page.get_by_role("combobox", name="Cost").nth(1).select_option("size")
    page.get_by_role("combobox", name="At most").nth(1).select_option("amount")
    page.get_by_label("At most, as 1MB").fill("nothing")
    page.get_by_text("a budget reads METRIC=LIMIT").wait_for()
    page.get_by_label("At most, as 1MB").fill("2 MB")
    page.get_by_text("a budget reads METRIC=LIMIT").wait_for(state="detached")
    page.get_by_role("button", name="Add a budget").click()
    page.get_by_role("button", name="Remove this budget").nth(2).click()
    page.get_by_role("combobox", name="Cost").nth(2).wait_for(state="detached")
    page.get_by_role("button", name="Submit job").click()
    page.wait_for_url("**/web/jobs/job_*")
    job = inside.job(page.url.rsplit("/", 1)[1])
    assert job.spec["search"]["budgets"] == ["macs=0.5x", "size=2000000"]  # type: ignore[call-overload, index]
    inside.cancel(job.id)


def test_weights_are_uploaded_and_chosen(visit: Visit, inside: Client, tmp_path: Path) -> None:
    visit.go("/web/new")
    page, good, bad = visit.page, tmp_path / "good.safetensors", tmp_path / "bad.safetensors"
    good.write_bytes(save(tiny_net().state_dict()))
    bad.write_bytes(b"nothing of the kind")
    page.get_by_label("Or upload weights").set_input_files(bad)
    page.get_by_text("bad.safetensors: the file is no safetensors file").wait_for()
    visit.complaints.clear()  # a browser takes note of 422
    page.get_by_label("Or upload weights").set_input_files(good)
    page.get_by_text("good.safetensors is there.").wait_for()
    newest = inside.uploads()[0]
    assert page.get_by_role("combobox", name="Weights").input_value() == newest.id


def test_a_table_is_uploaded_and_verified(visit: Visit, tmp_path: Path) -> None:
    table = tmp_path / "table.json"
    pipeline.profile(ModelSpec.model_validate(WIDE), DeviceSpec(seconds=1), (1, 1, 8, 8), table)
    visit.go("/web/tables")
    page = visit.page
    page.get_by_label("Upload a table").set_input_files(table)
    page.get_by_role("heading", name=re.compile("^up_")).wait_for()
    page.locator("li", has=page.get_by_role("heading", name=re.compile("^up_"))).get_by_role("link").first.click()
    page.get_by_text("Nobody has verified").wait_for()
    page.get_by_role("combobox", name="Model").select_option("wide")
    page.get_by_label("Networks").fill("2")
    page.get_by_role("button", name="Verify").click()
    page.wait_for_url("**/web/jobs/job_*")
    page.get_by_role("img", name=re.compile("Predicted against measured")).wait_for(timeout=120_000)
    page.get_by_text("rank correlation").wait_for()


def test_networks_that_were_measured_are_compared(visit: Visit, inside: Client, tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    export_onnx(tiny_net(), torch.zeros(1, 1, 8, 8), path)
    uploads = tuple(inside.upload(path, "network").id for _ in range(2))
    job = inside.wait(inside.measure(MeasureRequest(networks=uploads)).id)
    visit.go(f"/web/jobs/{job.id}")
    visit.page.get_by_role("row", name=re.compile(uploads[1])).get_by_text("± ").wait_for()
    visit.page.get_by_text(f"Latency of {uploads[0]}").wait_for()


def test_signing_out_ends_the_other_pages_of_the_session(visit: Visit) -> None:
    other = visit.page.context.new_page()
    other.goto(f"{visit.service.url}/web/new")
    other.wait_for_function("() => window.did_handshake === true")
    visit.page.get_by_role("button", name="Sign out").click()
    other.get_by_role("heading", name="Sign in").wait_for()
    assert "/login?next=" in other.url


def test_a_token_that_is_revoked_ends_the_pages_of_its_sessions(browser: Browser, guarded: Running) -> None:
    own = guarded.token("read")
    with visiting(browser, guarded) as visit:
        visit.sign_in(own)
        visit.page.wait_for_function("() => window.did_handshake === true")
        revoked = guarded.command("token", "revoke", own.split("_")[1])
        assert revoked.returncode == 0, revoked.stderr
        visit.page.get_by_role("heading", name="Sign in").wait_for()
        assert "/login?next=" in visit.page.url


def test_a_job_is_cancelled_on_its_page(visit: Visit, inside: Client) -> None:
    job = inside.submit(spec(name="long", search={"trials": 5000, "agent": "random"}))
    visit.go(f"/web/jobs/{job.id}")
    visit.page.on("dialog", lambda dialog: dialog.accept())
    visit.page.get_by_role("button", name="Cancel job").click()
    visit.page.get_by_role("status").get_by_text("cancelled").wait_for()


def test_a_job_that_begins_while_somebody_confirms_is_cancelled_all_the_same(visit: Visit, inside: Client) -> None:
    before, job = (inside.submit(spec(name=name, search={"trials": 5000, "agent": "random"})) for name in "ab")
    visit.go(f"/web/jobs/{job.id}")

    def confirm(dialog: Dialog) -> None:
        inside.cancel(before.id)
        wait_until(lambda: inside.job(job.id).state == "running")
        time.sleep(2)  # until the server has told the page, which hears of it after this
        dialog.accept()

    visit.page.on("dialog", confirm)
    visit.page.get_by_role("button", name="Cancel job").click()
    visit.page.get_by_role("status").get_by_text("cancelled").wait_for()
    assert inside.wait(job.id).state == "cancelled"
    visit.page.get_by_role("button", name="Delete").wait_for()


def test_the_list_is_live_and_can_be_filtered(visit: Visit, inside: Client, done: JobDocument) -> None:
    visit.go("/web/jobs")
    page = visit.page
    job = inside.submit(spec(name="second"))
    page.get_by_role("link", name="second").wait_for()
    page.get_by_label("Name").fill(done.name)
    page.get_by_role("link", name="second").wait_for(state="detached")
    page.get_by_role("combobox", name="State").select_option("failed")
    page.get_by_text("No job fits.").wait_for()
    inside.cancel(job.id)


def test_a_keyboard_is_enough(visit: Visit) -> None:
    visit.go("/web/jobs")
    press, page = visit.page.keyboard.press, visit.page
    press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    press("Enter")
    press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SELECT"  # the first field, past the navigation
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for _ in range(3):
        press("Shift+Tab")
    page.get_by_role("link", name="New job").focus()
    press("Enter")
    page.get_by_label("At most this share").wait_for()
    page.get_by_label("At most this share").focus()
    for _ in range(3):
        press("ArrowRight")
    page.get_by_text("53%", exact=True).wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_is_wide_enough_by_day_and_by_night(
    browser: Browser, guarded: Running, token: str, done: JobDocument, scheme: str
) -> None:
    with visiting(browser, guarded, viewport={"width": 360, "height": 740}, color_scheme=scheme) as phone:
        phone.sign_in(token)
        for path in (*STATIONS, f"/web/jobs/{done.id}", f"/web/compare?a={done.id}&b={done.id}"):
            phone.go(path)
            phone.page.get_by_role("heading", level=1).wait_for()
            assert phone.page.evaluate("document.documentElement.scrollWidth") <= 360, path
        colour = phone.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert colour == ("rgb(13, 17, 23)" if scheme == "dark" else "rgb(255, 255, 255)")


def test_who_may_only_read_is_shown_nothing_to_change(browser: Browser, guarded: Running, done: JobDocument) -> None:
    with visiting(browser, guarded) as visit:
        page = visit.page
        page.goto(f"{guarded.url}/web/jobs/{done.id}")
        assert "/login?next=" in page.url
        page.get_by_label("Token").fill("ap_0000_nothing")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("alert").get_by_text("unknown").wait_for()
        visit.complaints.clear()  # a browser takes note of 401
        page.get_by_label("Token").fill(guarded.token("read"))
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"**/web/jobs/{done.id}")
        page.get_by_role("heading", name=done.name, exact=True).wait_for()
        assert page.get_by_role("button", name="Delete").count() == 0
        assert page.get_by_role("link", name="New job").count() == 0
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("heading", name="Sign in").wait_for()
        page.goto(f"{guarded.url}/web/jobs")
        page.get_by_role("heading", name="Sign in").wait_for()
