"""One stage of one job, carried out in this process; what it needs is loaded once a job."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from dataclasses import dataclass, field
from typing import Literal

import sqlalchemy as sa

from autoprune import pipeline
from autoprune.client.documents import JobDocument, MeasuredNetwork, MeasureRequest, UploadDocument, VerifyRequest
from autoprune.device import Device
from autoprune.errors import AutopruneError
from autoprune.files import write_atomic
from autoprune.pipeline.commands.run import claim
from autoprune.pipeline.stages.bench import Bench
from autoprune.pipeline.stages.sequence import STAGES
from autoprune.profiler.table.written import document
from autoprune.service.admission import admit, admit_measurement, admit_verification
from autoprune.service.records import jobs, uploads
from autoprune.service.records.database import is_full
from autoprune.service.settings import Settings
from autoprune.service.work.listener import Stopped, Telling
from autoprune.service.work.timing import time_networks
from autoprune.spec import RunSpec

Outcome = Literal["done", "failed", "cancelled"]

VERIFY = "verify"
TIME = "time"

log = logging.getLogger("autoprune.worker")


@dataclass
class Hands:
    """A worker's jobs in hand: their benches, and the events that stop them."""

    engine: sa.Engine
    settings: Settings
    worker: str
    stops: dict[str, threading.Event] = field(default_factory=dict)
    benches: dict[str, Bench] = field(default_factory=dict)

    def do(self, job_id: str, stage: str) -> Outcome:
        """Carry out a stage; what fails is written down with its reason and raised to nobody."""
        stop = self.stops.setdefault(job_id, threading.Event())
        job = jobs.begin(self.engine, job_id, stage, self.worker)
        if job is None:
            return "cancelled"
        try:
            self._work(job, stage, Telling(self.engine, job_id, stop))
        except Stopped:
            return "cancelled"
        except Exception as error:
            jobs.end(self.engine, job_id, "failed", _reason(error))
            if not isinstance(error, AutopruneError):
                log.exception("job %s failed in %s", job_id, stage)
            return "failed"
        return "done"

    def finish(self, job_id: str, outcome: Outcome) -> None:
        """Let go of a job; one whose stages were all done is done."""
        if outcome == "done":
            jobs.end(self.engine, job_id, "done")
        self.benches.pop(job_id, None)
        self.stops.pop(job_id, None)
        jobs.release(self.engine, job_id)

    def heed(self) -> None:
        """Stop the jobs in hand that were cancelled."""
        held = dict(self.stops)
        for job in jobs.cancelled(self.engine, list(held)) if held else ():
            held[job].set()

    def _work(self, job: JobDocument, stage: str, progress: Telling) -> None:
        if stage == VERIFY:
            self._verify(job, progress)
        elif stage == TIME:
            self._time(job, progress)
        else:
            STAGES[stage](self._bench(job, progress))

    def _bench(self, job: JobDocument, progress: Telling) -> Bench:
        if job.id not in self.benches:
            spec = admit(RunSpec.parse(dict(job.spec)), self.settings, self._find)
            self.benches[job.id] = claim(spec, self.settings.runs / job.id, progress)
        return self.benches[job.id]

    def _verify(self, job: JobDocument, progress: Telling) -> None:
        asked = VerifyRequest.model_validate(job.spec)
        table = admit_verification(asked, self.settings, self._find)
        folder = self.settings.runs / job.id
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / f"table{''.join(table.suffixes[-2:]) if table.suffix == '.gz' else '.json'}"
        shutil.copyfile(table, copy)
        model = self.settings.models[asked.model].spec(asked.model)
        found = pipeline.verify_table(copy, model, asked.input or None, asked.networks, progress)
        write_atomic(folder / "verification.json", json.dumps(document(found), indent=1) + "\n")

    def _time(self, job: JobDocument, progress: Telling) -> None:
        asked = MeasureRequest.model_validate(job.spec)
        networks = admit_measurement(asked, self.settings, self._find)
        device = Device(self.settings.devices[job.device].provider, asked.threads)
        found = time_networks(networks, device, self.settings.limits.seconds, progress)
        measured = [
            MeasuredNetwork(upload=upload, median_ms=one.median, spread_ms=one.spread, runs=one.runs)
            for upload, one in zip(asked.networks, found, strict=True)
        ]
        folder = self.settings.runs / job.id
        folder.mkdir(parents=True, exist_ok=True)
        told = {"networks": [one.model_dump() for one in measured]}
        write_atomic(folder / "measurement.json", json.dumps(told, indent=1) + "\n")

    def _find(self, upload: str) -> UploadDocument | None:
        return uploads.find(self.engine, upload)


def _reason(error: Exception) -> str:
    """Why a job failed, in a line or two; what is ours to mend is called so."""
    if is_full(error):
        return "no space is left on the server's disk; free some and submit the job again"
    if isinstance(error, AutopruneError):
        return str(error)
    if isinstance(error, MemoryError):
        return "the server's memory did not suffice; ask for fewer images or a smaller batch"
    first = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {first} (a failure of autoprune; the worker's log has more)"
