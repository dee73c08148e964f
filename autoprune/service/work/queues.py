"""A job as a DBOS workflow: one durable step a stage, one queue a device that takes one job at a time.

DBOS records each step that is done in the service's database, so that a workflow whose worker died
goes on with the step it was in; the stages themselves go on from what they have left on disk.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer, EnqueueOptions

APPLICATION = "autoprune"
WORKFLOW = "autoprune.job"
# Which stages a job has, and in which order. Workers take up the jobs of their own version only.
VERSION = "autoprune-jobs-2"
STAGES_OF = {
    "run": ("profile", "search", "apply", "fine-tune", "export", "measure"),
    "verify": ("verify",),
    "measure": ("time",),
}
_POLL_SECONDS = 0.3


def queue_of(device: str) -> str:
    """The queue of a device."""
    return f"device:{device}"


def open_client(engine: sa.Engine, devices: Sequence[str]) -> DBOSClient:
    """For a process that submits jobs and carries out none; the devices' queues are made."""
    logging.getLogger("dbos").setLevel(logging.WARNING)
    client = DBOSClient(
        system_database_engine=engine,
        serializer=DBOSPortableJSONSerializer(),  # the default one pickles
        application_name=APPLICATION,
        retry_connection_errors=False,
    )
    for device in devices:
        client.register_queue(
            queue_of(device), global_concurrency=1, polling_interval_sec=_POLL_SECONDS, application_name=APPLICATION
        )
    return client


def enqueue(client: DBOSClient, connection: sa.Connection, job: str, kind: str, device: str) -> None:
    """Put a job into the queue of its device, in the caller's transaction."""
    options: EnqueueOptions = {
        "workflow_name": WORKFLOW,
        "queue_name": queue_of(device),
        "workflow_id": job,
        "app_version": VERSION,
        "application_name": APPLICATION,
    }
    client.enqueue_in_transaction(connection, options, job, kind)


def configuration(engine: sa.Engine, worker: str) -> DBOSConfig:
    """Of a worker process."""
    return {
        "name": APPLICATION,
        "system_database_engine": engine,
        "system_database_url": engine.url.render_as_string(hide_password=False),
        "executor_id": worker,
        "application_version": VERSION,
        "serializer": DBOSPortableJSONSerializer(),
        "log_level": "WARNING",
        "run_migrations": False,
        "notification_listener_polling_interval_sec": 5.0,
    }


def take_over(alive: Sequence[str]) -> dict[str, str]:
    """Give the jobs of workers that are not `alive` back to their queues; the others' workers, by job.

    DBOS does so by itself for an executor that comes back under its old name; for one that never does,
    it leaves it to the application to say who is gone.
    """
    running = DBOS.list_workflows(status="PENDING", name=WORKFLOW, load_input=False, load_output=False)
    gone = {w.executor_id for w in running if w.executor_id} - set(alive)
    if gone:
        _give_back(gone)
    return {w.workflow_id: w.executor_id for w in running if w.executor_id and w.executor_id not in gone}


def _give_back(gone: set[str]) -> None:
    """Put the workflows of executors that are gone back into their queues.

    DBOS 3.4 offers this to its own console only. What it offers to everybody, `resume_workflow`, puts a workflow back
    whoever holds it, so that one which another worker has just taken over would run twice; this one writes only where
    the workflow is still held by an executor that is gone.
    """
    DBOS._recover_pending_workflows(sorted(gone))
