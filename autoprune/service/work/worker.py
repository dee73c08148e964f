"""A worker: the process that carries out jobs, one a device, and takes over those of workers that are gone."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dbos import DBOS
from sqlalchemy.exc import SQLAlchemyError

from autoprune.errors import BadInput
from autoprune.service.records import workers
from autoprune.service.records.database import open_database
from autoprune.service.settings import Settings
from autoprune.service.work import queues
from autoprune.service.work.carrying_out import Hands, Outcome
from autoprune.service.work.ids import new_worker_id

_LOST = 75  # exit status of a worker that was silent for too long (EX_TEMPFAIL)
_SECONDS_BETWEEN_BEATS = 0.5
_BUSY_MS = 30_000  # a worker waits for the database rather than lose work

log = logging.getLogger("autoprune.worker")


def work(settings: Settings, devices: Sequence[str] = (), worker: str | None = None, parent: int | None = None) -> None:
    """Carry out jobs until the process is told to end; one that has a `parent` process ends with it.

    Raises `BadInput` for a device that the settings do not name.
    """
    served = list(devices) or list(settings.devices)
    if unknown := set(served) - settings.devices.keys():
        raise BadInput(f"no device {sorted(unknown)[0]!r} in the settings; there are {', '.join(settings.devices)}")
    stand_back(settings.niceness)
    sys.path.append(str(Path.cwd()))  # where the settings' module:function are found
    settings = _within_its_folder(settings)
    engine = open_database(settings.database_url, busy_ms=_BUSY_MS)
    hands = Hands(engine, settings, worker or new_worker_id())
    _launch(hands, served)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _end(hands, 0))
    log.warning("worker %s serves %s", hands.worker, ", ".join(served))
    _stay(hands, parent)


def stand_back(niceness: int) -> None:
    """Let the server and others go first.

    Where Linux groups processes by their session (autogroups, sched(7)), a nice value counts within the group only: a
    process that leads its session says it for the whole group too. One that was started in somebody's terminal does
    not, since that group holds all else that was started there.
    """
    os.nice(niceness)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):  # a system without such groups
            Path("/proc/self/autogroup").write_text(str(niceness))


def _within_its_folder(settings: Settings) -> Settings:
    """The settings seen from the data folder, where the process goes: no file of a run tells where that lies."""
    database = settings.database_url
    settings.data.mkdir(parents=True, exist_ok=True)
    models = {
        key: model.model_copy(update={"weights": model.weights.absolute()}) if model.weights else model
        for key, model in settings.models.items()
    }
    tasks = {
        key: task.model_copy(update={"data": task.data.absolute()}) if task.data else task
        for key, task in settings.tasks.items()
    }
    os.chdir(settings.data)
    return settings.model_copy(update={"models": models, "tasks": tasks, "data": Path(), "database": database})


def _launch(hands: Hands, devices: Sequence[str]) -> None:
    """Start to take jobs from the queues of `devices`."""
    logging.getLogger("dbos").setLevel(logging.WARNING)
    DBOS(config=queues.configuration(hands.engine, hands.worker))

    @DBOS.workflow(name=queues.WORKFLOW, max_recovery_attempts=None)  # the job's record counts them
    def job(job_id: str, kind: str) -> Outcome:
        try:
            return _carried_out(hands, job_id, kind)
        except Exception:
            # What fails in a job is written down and not raised: this is the database. The workflow must not end
            # in an error, it is to go on once the database is well.
            log.exception("job %s: the database failed; the worker ends, and the job goes on when there is one", job_id)
            os._exit(_LOST)

    DBOS.listen_queues([queues.queue_of(device) for device in devices])
    workers.enter(hands.engine, hands.worker, devices)
    DBOS.launch()
    for device in devices:
        DBOS.register_queue(queues.queue_of(device), global_concurrency=1, polling_interval_sec=0.3)


def _carried_out(hands: Hands, job_id: str, kind: str) -> Outcome:
    """The stages of a job, one durable step each, up to the first that is not done."""
    outcome: Outcome = "done"
    for stage in queues.STAGES_OF[kind]:
        outcome = DBOS.run_step({"name": stage}, hands.do, job_id, stage)
        if outcome != "done":
            break
    DBOS.run_step({"name": "finish"}, hands.finish, job_id, outcome)
    return outcome


def _stay(hands: Hands, parent: int | None) -> None:
    """Say again and again that this worker is alive, heed cancellations, and look after jobs of the dead."""
    lease = hands.settings.lease_seconds
    heard = idle = time.monotonic()
    while True:
        time.sleep(_SECONDS_BETWEEN_BEATS)
        if parent is not None and os.getppid() != parent:
            _end(hands, 0)
        try:
            # After a longer silence others may have this worker's jobs, and two must not write to one folder.
            if time.monotonic() - heard > lease or not workers.beat(hands.engine, hands.worker):
                log.error("worker %s was silent for more than %g s and gives up its jobs", hands.worker, lease)
                _end(hands, _LOST)
            heard = time.monotonic()
            hands.heed()
            workers.give_up(hands.engine, lease)
            held = queues.take_over(list(workers.alive(hands.engine, lease)))
            if hands.stops or hands.worker not in held.values():
                idle = time.monotonic()
            elif time.monotonic() - idle > lease:
                log.error("worker %s holds a job that it is not at; it ends, and the job goes on", hands.worker)
                _end(hands, _LOST)
        except SQLAlchemyError as error:
            log.warning("the database did not answer (%s)", str(error).partition("\n")[0])


def _end(hands: Hands, status: int) -> None:
    """End the process at once: what it was at is taken up again from what it has left."""
    try:
        workers.leave(hands.engine, hands.worker)
    except SQLAlchemyError:
        log.warning("worker %s could not say that it leaves", hands.worker)
    os._exit(status)
