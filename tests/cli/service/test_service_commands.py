"""The commands that speak to a service, against one that runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tomli_w
from running_service import SPEC, Running

from autoprune.cli import main
from autoprune.client import JobDocument


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    path = tmp_path / "spec.toml"
    path.write_text(tomli_w.dumps(SPEC))
    return path


@pytest.fixture(autouse=True)
def _address(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOPRUNE_URL", service.url)
    monkeypatch.delenv("AUTOPRUNE_TOKEN", raising=False)


def test_a_job_is_submitted_watched_shown_and_fetched(
    spec_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["submit", str(spec_file), "--trials", "8", "--key", str(tmp_path), "--json"]) == 0
    made = JobDocument.model_validate_json(capsys.readouterr().out)
    assert made.spec["search"]["trials"] == 8  # type: ignore[call-overload, index]
    assert main(["jobs", "watch", made.id]) == 0
    told = capsys.readouterr()
    assert "done" in told.out
    assert "searching" in told.err
    assert main(["jobs", "show", made.id, "--json"]) == 0
    assert JobDocument.model_validate_json(capsys.readouterr().out).state == "done"
    assert main(["jobs", "list", "--state", "done", "--json"]) == 0
    assert made.id in [job["id"] for job in json.loads(capsys.readouterr().out)["jobs"]]
    out = tmp_path / "got"
    assert main(["fetch", made.id, "--out", str(out), "--json"]) == 0
    assert {Path(path) for path in json.loads(capsys.readouterr().out)} == set(out.iterdir())
    assert main(["jobs", "delete", made.id]) == 0
    assert main(["jobs", "show", made.id]) == 2
    assert f"there is no job {made.id}" in capsys.readouterr().err


def test_of_a_job_that_is_not_done_nothing_is_fetched_and_the_way_out_is_told(
    spec_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(job: str) -> str:
        assert main(["fetch", job, "--out", str(tmp_path / "got")]) == 2
        assert not (tmp_path / "got").exists()
        return capsys.readouterr().err

    def submitted(*flags: str) -> str:
        assert main(["submit", str(spec_file), *flags, "--json"]) == 0
        return str(json.loads(capsys.readouterr().out)["id"])

    long, failing = submitted("--trials", "3000"), submitted("--budget", "macs=0.001x")
    assert f"autoprune jobs watch {long}" in refused(long)
    assert main(["jobs", "cancel", long, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "cancelled"
    assert "was cancelled" in refused(long)
    assert main(["jobs", "watch", failing]) == 1
    capsys.readouterr()
    assert "smallest network costs" in refused(failing)


def test_a_long_list_goes_on_where_its_page_ends(spec_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = []
    for _ in range(3):
        assert main(["submit", str(spec_file), "--name", "paged", "--json"]) == 0
        made.append(json.loads(capsys.readouterr().out)["id"])
        assert main(["jobs", "cancel", made[-1]]) == 0
        capsys.readouterr()
    assert main(["jobs", "list", "--name", "paged", "--limit", "2", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert main(["jobs", "list", "--name", "paged", "--limit", "2", "--before", first["next"], "--json"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert [job["id"] for page in (first, second) for job in page["jobs"]] == made[::-1]
    assert second["next"] is None
    assert main(["jobs", "list", "--name", "paged", "--limit", "2"]) == 0
    assert f"--before {made[1]}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["submit", "--model", "resnet56", "--task", "digits", "--budget", "macs=0.5x"], "not on the server's list"),
        (["jobs", "show", "job_1"], "job"),
        (["jobs", "list", "--state", "lost"], "state"),
        (["fetch", "job_" + 32 * "0", "--out", "nowhere"], "there is no job"),
        (["jobs", "list", "--url", "not an address"], "address"),
        (["token", "create", "--scope", "all"], "read, submit, admin"),
        (["worker", "--device", "moon"], "no device 'moon'"),
        (["serve", "--config", "nowhere.toml"], "no such file"),
    ],
)
def test_mistakes_are_told_in_a_line_or_two(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert says in told
    assert len(told.splitlines()) <= 2


def test_tokens_are_made_listed_and_revoked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(tmp_path / "data")]
    assert main(["token", "create", "--scope", "read", "--name", "mine", *data, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert main(["token", "list", *data, "--json"]) == 0
    [listed] = json.loads(capsys.readouterr().out)
    assert listed == {key: made[key] for key in listed}
    assert made["token"] not in str(listed)
    assert main(["token", "revoke", made["id"], *data]) == 0
    assert main(["token", "revoke", made["id"], *data]) == 2
