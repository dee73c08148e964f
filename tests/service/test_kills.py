"""A service that is killed at any moment: its jobs end as if nothing had happened."""

from __future__ import annotations

import random
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from running_service import Running, running, spec, wait_until

from autoprune import pipeline
from autoprune.deploy.run_folder import RunFolder
from autoprune.searchers.ledger import Ledger

TRIALS = 60
JOB = spec(
    name="killed", search={"trials": TRIALS}, reconstruction={"steps": 30, "together": 60}, finetune={"epochs": 1}
)


def undisturbed(folder: Path) -> RunFolder:
    pipeline.run(JOB.model_copy(update={"model": JOB.model.model_copy(update={"name": "tiny:tiny_net"})}), folder)
    return RunFolder(folder)


def keys(folder: RunFolder) -> list[tuple[int, tuple[int, ...]]]:
    """Number and policy of each trial as it was recorded, one that was recorded twice twice."""
    with closing(sqlite3.connect(folder.study)) as study:
        rows = study.execute("SELECT value_json FROM trial_user_attributes WHERE key = 'number'").fetchall()
    recorded = Counter(int(number) for (number,) in rows)
    assert max(recorded.values()) == 1
    return [(trial.number, trial.policy.widths) for trial in Ledger(folder.study, "killed", None).trials()]


def test_kills_of_worker_and_server_leave_no_trace_in_the_result(tmp_path: Path) -> None:
    calm, chance = undisturbed(tmp_path / "calm"), random.Random(0)
    with running(tmp_path) as service, service.client() as client:
        job = client.submit(JOB).id
        kills = 0
        while not client.job(job).is_finished and kills < 6:
            time.sleep(chance.uniform(0.5, 4.0))
            _kill(service, server=kills % 3 == 2)
            kills += 1
        done = client.wait(job)
        assert done.state == "done", f"{done.error}\n{service.log()}"
        killed = RunFolder(service.data / "runs" / job)
        assert kills > 1
        assert killed.policy.read_bytes() == calm.policy.read_bytes()
        assert killed.weights.read_bytes() == calm.weights.read_bytes()
        assert keys(killed) == keys(calm)
        assert len(keys(killed)) == TRIALS


def test_a_worker_ends_with_its_server_even_one_that_is_only_just_starting(tmp_path: Path) -> None:
    service = Running(tmp_path)
    service.start(ready=False)
    worker = service.worker_pid()
    service.kill()
    wait_until(lambda: not Path(f"/proc/{worker}").exists())


def _kill(service: Running, *, server: bool) -> None:
    if server:
        service.kill()
        service.start()
    else:
        service.kill_worker()
