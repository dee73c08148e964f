"""Kill the worker (every fifth time the server) at random moments of one job, and compare with an undisturbed run.

PYTHONPATH=tests python scripts/kill_service.py --kills 20 --trials 400
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

import torch
from running_service import Running, running, spec, wait_until

from autoprune import pipeline
from autoprune.client import Client, JobDocument
from autoprune.deploy.run_folder import RunFolder
from autoprune.searchers.ledger import Ledger
from autoprune.spec import RunSpec

_WORK = ("searching", "reconstructing blocks", "fine-tuning", "measuring in turns")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    job = spec(
        name="killed",
        search={"trials": asked.trials},
        reconstruction={"steps": 200, "together": 400},
        finetune={"epochs": 4},
    )
    torch.set_num_threads(1)  # as the workers have: the same seed gives the same network on as many threads
    with tempfile.TemporaryDirectory() as place:
        calm = RunFolder(Path(place) / "calm")
        start = time.monotonic()
        pipeline.run(
            job.model_copy(update={"model": job.model.model_copy(update={"name": "tiny:tiny_net"})}), calm.path
        )
        print(f"undisturbed: {time.monotonic() - start:.0f} s")
        killed = _killed(job, Path(place), asked.kills, random.Random(asked.seed))
        same = {
            "policy": calm.policy.read_bytes() == killed.policy.read_bytes(),
            "network": calm.weights.read_bytes() == killed.weights.read_bytes(),
            "trials": _trials(calm) == _trials(killed),
        }
    print("the same as undisturbed:", same)
    return 0 if all(same.values()) else 1


def _killed(job: RunSpec, place: Path, kills: int, chance: random.Random) -> RunFolder:
    with running(place) as service, service.client() as client:
        where = client.submit(job)
        start, done = time.monotonic(), 0
        while not where.is_finished and done < kills:
            if done % 2 == 0:  # every other time its worker may still be starting
                wait_until(lambda killed=where: _at_work(client, killed))  # type: ignore[misc]
            time.sleep(chance.uniform(0.0, 3.0))
            _kill(service, server=done % 5 == 4)
            done, where = done + 1, client.job(where.id)
            print(f"kill {done}: in {where.stage} ({where.doing} {where.done:g} of {where.total:g})", flush=True)
        ended = client.wait(where.id)
        print(f"{ended.state} after {done} kills and {time.monotonic() - start:.0f} s {ended.error or ''}")
        kept = place / "killed"
        (service.data / "runs" / ended.id).rename(kept)
    return RunFolder(kept)


def _at_work(client: Client, killed: JobDocument) -> bool:
    """Whether the job has come somewhere since it was `killed`, or is over."""
    now = client.job(killed.id)
    return now.is_finished or (now.doing in _WORK and (now.doing, now.done) != (killed.doing, killed.done))


def _kill(service: Running, *, server: bool) -> None:
    if server:
        service.kill()
        service.start(ready=False)
    else:
        service.kill_worker()


def _trials(folder: RunFolder) -> list[tuple[int, tuple[int, ...], float]]:
    trials = Ledger(folder.study, "killed", None).trials()
    return [(trial.number, trial.policy.widths, trial.reward) for trial in trials]


if __name__ == "__main__":
    raise SystemExit(main())
