"""A training in several processes on this machine, one a device: started, listened to, and never left behind."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import shutil
import signal
import socket
import threading
import traceback
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.distributed as dist
from torch import nn

from autoprune.errors import AutopruneError, BadInput
from autoprune.training.group import Group
from autoprune.training.job import Hear, Job, unheard
from autoprune.training.state import State, named

_JOB, _MEETING, _TRAINED = "job", "meeting", "trained"
_SECONDS_TO_DIE = 1.0
_PATIENCE = timedelta(days=1)  # a process that is gone is noticed at once, one that works may keep the others waiting


@dataclass(frozen=True, slots=True, eq=False)
class _Member:
    """One of a group as its parent sees it, and what it says."""

    process: BaseProcess
    says: Connection


def in_processes(job: Job, hear: Hear) -> nn.Module:
    """What `job.run` gives, done by as many processes as `job.spec.devices`; `hear` is called in this one.

    Raises what a member of the group raised, `BadInput` where the job cannot be sent to them, and
    `AutopruneError` where one is lost. However this ends, none of them is left.
    """
    name, size = job.name, job.spec.devices
    with TemporaryDirectory(prefix="autoprune-") as place:
        folder = Path(place)
        (folder / _JOB).write_bytes(_pickled(job))
        with _started(folder, size) as members:
            _listen(members, hear)
        trained = State.read(folder / _TRAINED, name)
    assert trained is not None
    return _taken_over(job, trained)


def _pickled(job: Job) -> bytes:
    try:
        return pickle.dumps(job)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise BadInput(_not_sent(error)) from None


def _not_sent(error: Exception) -> str:
    return (
        f"what trains on several devices is sent to a process each, and this cannot be: {error}; "
        "define classes and functions of yours at the top of a module, or give devices = 1"
    )


@contextmanager
def _started(folder: Path, size: int) -> Iterator[Sequence[_Member]]:
    """The processes, which are gone in the end."""
    spawn, members = multiprocessing.get_context("spawn"), list[_Member]()
    threads = max(1, torch.get_num_threads() // size)
    try:
        with _no_interrupts():
            for rank in range(size):
                says, own = spawn.Pipe(duplex=False)
                process = spawn.Process(target=_work, args=(Group(rank, size), folder, threads, own))
                members.append(_Member(process, says))
                process.start()
                own.close()
        yield members
    finally:
        for member in members:
            if member.process.pid is not None:
                member.process.kill()
                member.process.join()


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Processes that are started inside never see Ctrl-C, and say nothing about it: this one ends them."""
    resource_tracker.ensure_running()  # it is started with the first process, and would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _listen(members: Sequence[_Member], hear: Hear) -> None:
    """Tell of each pass until the first process has done its work; raises what any of them says went wrong."""
    talking = {member.says: member.process for member in members}
    while True:
        for says in wait(list(talking)):
            assert isinstance(says, Connection)
            try:
                told = says.recv()
            except EOFError:
                raise _loss(talking[says]) from None
            if told is None:
                return
            if isinstance(told, Exception):
                _require_no_loss(talking.values(), told)
                raise told
            hear(told)


def _require_no_loss(processes: Collection[BaseProcess], told: Exception) -> None:
    """Where one is lost the others fail as well, and what they say of it is no help."""
    if not isinstance(told, AutopruneError):
        wait([process.sentinel for process in processes], timeout=_SECONDS_TO_DIE)
        for process in processes:
            if process.exitcode is not None:
                raise _loss(process)


def _loss(process: BaseProcess) -> AutopruneError:
    """What to say of a process that went by itself, which none should."""
    process.join()
    code = process.exitcode or 0
    if code < 0:
        return AutopruneError(
            f"a process of this training was ended by {signal.Signals(-code).name}; "
            "where memory ran out, give fewer devices or a smaller batch"
        )
    return BadInput(
        f"a process of this training ended with status {code} before its work was done; a program of yours that trains "
        'on several devices is a file that does its work under if __name__ == "__main__":, because each imports it'
    )


def _taken_over(job: Job, trained: State) -> nn.Module:
    """The network, and in the job's own method what the processes made of theirs."""
    job.method.load_state_dict(trained.under("method"))
    job.method.eval()
    network = copy.deepcopy(job.model).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    network.load_state_dict(trained.under("network"))
    return network.eval()  # type: ignore[no-any-return]


def _work(group: Group, folder: Path, threads: int, says: Connection) -> None:
    """What each process does: its part of the job, and say what comes of it. Then it waits for its end.

    If one went by itself, those that still work would fail because of that, and be heard first.
    """
    _end_with_parent(folder)
    os.dup2(2, 1)  # what is printed here is no answer of the program's
    torch.set_num_threads(threads)
    try:
        _train(group, folder, says.send)
    except Exception as error:
        says.send(_told(error))
    else:
        if group.first:
            says.send(None)
    signal.pause()


def _end_with_parent(folder: Path) -> None:
    """End at once when the parent does, whatever this process waits for by then, and clear its folder away."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _train(group: Group, folder: Path, tell: Hear) -> None:
    job = _unpickled(folder / _JOB)
    name, place = job.name, group.place(job.spec.device)
    if place.type == "cuda":
        torch.cuda.set_device(place)
    _talk_within_this_machine()
    dist.init_process_group(
        init_method=f"file://{folder / _MEETING}", rank=group.rank, world_size=group.size, timeout=_PATIENCE
    )
    if group.first:
        (folder / _JOB).unlink()  # all have read it, or they would not be here
    network = job.run(group, tell if group.first else unheard)
    if group.first:
        tensors = {**named("network", network.state_dict()), **named("method", job.method.state_dict())}
        State(name, tensors, {}).write(folder / _TRAINED)


def _talk_within_this_machine() -> None:
    """Over the loopback; else processes on a CPU meet at whatever address this machine's name has, if it has one."""
    loopback = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), None)
    if loopback is not None:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)


def _unpickled(path: Path) -> Job:
    try:
        job: Job = pickle.loads(path.read_bytes())
    except (AttributeError, ImportError) as error:
        raise BadInput(_not_sent(error)) from None
    return job


def _told(error: Exception) -> Exception:
    """`error` in a form that every process can read, with where it came from for `--debug`."""
    told = error if isinstance(error, AutopruneError) else RuntimeError(f"{type(error).__name__}: {error}")
    told.add_note(traceback.format_exc())
    return told
