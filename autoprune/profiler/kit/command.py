"""The profiler as a program of its own: what `python kit.pyz` runs on a device that has numpy and onnxruntime only."""

from __future__ import annotations

import argparse
import json
import math
import shlex
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final, NoReturn, Self
from zipfile import ZipFile

import numpy as np

from autoprune.device import PROVIDERS, Device
from autoprune.errors import AutopruneError, BadInput
from autoprune.profiler.kit.packed import PackedNetworks
from autoprune.profiler.kit.status_line import StatusLine
from autoprune.profiler.plan.blueprint import Blueprint
from autoprune.profiler.plan.observing import possible_policies
from autoprune.profiler.profile import profile
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.profiler.verify import unseen_policies, verify
from autoprune.space import Policy

PLAN_FILE: Final = "plan.json"
_VERIFIED: Final = 12
_FEWEST_VERIFIED: Final = 2
_INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True)
class KitPlan:
    """What the maker of a kit wants to know.

    device, seconds: how networks are executed and how long kernels are measured, where the flags do
    not say otherwise. seed: of the networks that are looked at. verification: the most unseen
    networks that a table can be verified on. numpy: version that drew the networks.
    """

    device: Device
    seconds: float
    seed: int
    verification: int
    numpy: str

    def to_json(self) -> bytes:
        """The contents of a kit's `PLAN_FILE`."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def of(cls, text: bytes) -> Self:
        """The plan that `to_json` wrote."""
        told = json.loads(text)
        device = Device(told["device"]["provider"], told["device"]["threads"], tuple(told["device"]["affinity"]))
        return cls(**{**told, "device": device})

    def policies(self, blueprint: Blueprint) -> list[Policy]:
        """Every policy whose network is in the kit: what a profile may look at, then those to verify on."""
        return possible_policies(blueprint, self.seed) + self.unseen(blueprint, self.verification)

    def unseen(self, blueprint: Blueprint, count: int) -> list[Policy]:
        """What `verify` measures when it is asked for `count` networks."""
        return unseen_policies(blueprint, count, self.seed)


def main(argv: Sequence[str]) -> int:
    """Profile this device with the kit in the file `argv[0]`, as the flags after it say.

    The exit code is 0 for success, 2 for bad input, 1 for a failure of ours, 130 after Ctrl-C.
    """
    archive, *flags = argv
    line = StatusLine()
    try:
        return _run(Path(archive), flags, line)
    except KeyboardInterrupt:
        line.say(f"interrupted; type the same again to go on: {shlex.join(['python', *argv])}")
        return _INTERRUPTED
    except Exception as error:
        line.clear()
        if "--debug" in flags:
            traceback.print_exc()
        return _explain(error, line)


def _explain(error: Exception, line: StatusLine) -> int:
    """Say what went wrong; the exit code that goes with it."""
    if isinstance(error, AutopruneError):
        line.say(f"error: {error}")
        return error.exit_code
    first = str(error).partition("\n")[0]
    line.say(f"error: {type(error).__name__}: {first}\nThis is a failure of autoprune; --debug shows where.")
    return 1


def _run(archive: Path, flags: Sequence[str], line: StatusLine) -> int:
    with ZipFile(archive) as file:
        networks, plan = PackedNetworks.read(file), KitPlan.of(file.read(PLAN_FILE))
    asked = _parser(archive, networks, plan).parse_args(flags)
    device = Device(asked.provider, asked.threads, asked.affinity)
    _require_drawn(networks, plan)
    _require_verifiable(asked.networks, plan, networks.blueprint)
    journal = _journal(asked.out)
    if journal.exists():
        line.say(f"going on with what {journal} holds")

    def keep(table: LatencyTable) -> None:
        table.save(asked.out)
        if asked.networks:
            table = _verified(table, networks, device, asked.networks, plan.seed, line)
            table.save(asked.out)
        line.clear()
        print(_summary(asked.out, table, networks.blueprint.digest))

    profile(
        networks,
        device=device,
        seconds=asked.seconds,
        seed=plan.seed,
        journal=journal,
        keep=keep,
        on_progress=line,
    )
    return 0


def _verified(
    table: LatencyTable, networks: PackedNetworks, device: Device, count: int, seed: int, line: StatusLine
) -> LatencyTable:
    try:
        found = verify(networks, table, device=device, count=count, seed=seed, on_progress=line)
    except AutopruneError as error:
        raise type(error)(f"the table is written, but could not be verified: {error}") from error
    return table.verified(networks.blueprint.digest, found)


def _summary(out: Path, table: LatencyTable, digest: str) -> str:
    network = table.network(digest)
    lines = [f"{out}: {len(table.rows)} kernels of {network.name}, {table.fingerprint.cpu}"]
    if network.verification is not None:
        check, noise = network.verification, network.verification.noise_floor
        lines.append(
            f"{check.networks} unseen networks: mean error {check.mape:.1%}, largest {check.max_error:.1%}; "
            f"two measurements of one differ by {noise.mape:.1%}, at most {noise.max_error:.1%}"
        )
    return "\n".join([*lines, f"To use it, where autoprune is installed: autoprune tables import {out.name}"])


def _require_verifiable(count: int, plan: KitPlan, blueprint: Blueprint) -> None:
    most = len(plan.unseen(blueprint, plan.verification))
    if count and not _FEWEST_VERIFIED <= count <= most:
        can = f"{_FEWEST_VERIFIED} to {most} unseen networks" if most >= _FEWEST_VERIFIED else "none of its networks"
        raise BadInput(f"--networks {count}: this kit can verify a table on {can}; --networks 0 leaves it unverified")


def _require_drawn(networks: PackedNetworks, plan: KitPlan) -> None:
    """Random numbers may change with numpy's version, and then the profiler would ask for networks that are not here.

    (NumPy's NEP 19 leaves the streams of `Generator` free to change.)
    """
    if any(policy not in networks.skeletons for policy in plan.policies(networks.blueprint)):
        raise BadInput(
            f"numpy {np.__version__} draws other networks than numpy {plan.numpy}, which this kit was made with; "
            f"install that one: python -m pip install numpy=={plan.numpy}"
        )


def _journal(out: Path) -> Path:
    """The journal of a profile into `out`, once that is known to be a place for a table.

    A finished table is not overwritten; one beside a journal is this kit's own, and not verified yet.
    """
    if out.is_dir():
        raise BadInput(f"--out {out} is a folder; name a file, as in --out {out / 'table.json'}")
    journal = out.with_name(f"{out.name}.journal")
    if out.exists() and not journal.exists():
        raise BadInput(f"{out} is there already; delete it, or choose another --out, to measure again")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out.parent):
            return journal
    except OSError as error:
        raise BadInput(f"--out {out}: nothing can be written there ({error.strerror}); choose another place") from None


class _Parser(argparse.ArgumentParser):
    """Raises `BadInput` where argparse would print its usage and exit."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message}; see --help")


def _parser(archive: Path, networks: PackedNetworks, plan: KitPlan) -> argparse.ArgumentParser:
    shape = ",".join(map(str, networks.blueprint.input_shape))
    parser = _Parser(
        prog=f"python {archive.name}",
        description=f"Time the kernels of {networks.blueprint.name} (input {shape}) on this device and write them as "
        "a table. A run that was stopped goes on where it was when the same command is given again.",
        allow_abbrev=False,
    )
    flag = parser.add_argument
    flag("--out", type=Path, default=Path("table.json"), metavar="TABLE", help="the table to write [%(default)s]")
    flag("--threads", type=int, metavar="N", default=plan.device.threads, help="threads of the runtime [%(default)s]")
    flag("--provider", default=plan.device.provider, help=f"execution provider: {' or '.join(PROVIDERS)} [%(default)s]")
    cores = ",".join(map(str, plan.device.affinity)) or "any"
    flag(
        "--affinity",
        type=_processors,
        metavar="CORES",
        default=plan.device.affinity,
        help=f"processors to stay on, as in 0,1 [{cores}]",
    )
    flag(
        "--seconds", type=_seconds, metavar="S", default=plan.seconds, help="time to measure kernels for [%(default)g]"
    )
    verified = len(plan.unseen(networks.blueprint, min(_VERIFIED, plan.verification)))
    enough = verified if verified >= _FEWEST_VERIFIED else 0
    flag("--networks", type=int, metavar="N", default=enough, help="unseen ones to verify on, 0 for none [%(default)s]")
    flag("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _processors(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.strip().isascii() and part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"must be processors' numbers, as in 0,1; got {text!r}")
    return tuple(int(part) for part in parts)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"must be a positive number, got {text!r}")
    return seconds
