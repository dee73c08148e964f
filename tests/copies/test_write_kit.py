from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from small_networks import small_blueprint, small_model, small_space

from autoprune.copies import kit_start
from autoprune.copies.family import NetworkFamily, make_family
from autoprune.copies.kit import write_kit
from autoprune.device import Device
from autoprune.errors import BadInput
from autoprune.profiler.kit.command import PLAN_FILE, KitPlan
from autoprune.profiler.kit.packed import PackedNetworks
from autoprune.profiler.plan.observing import possible_policies
from autoprune.profiler.verify import unseen_policies
from autoprune.space import Policy, SearchSpace

DEVICE = Device("cpu", 2, (0, 1))
HEAVY = {"torch", "onnx", "pydantic", "scipy", "typer", "rich", "optuna", "sklearn", "matplotlib"}


def family(space: SearchSpace | None = None) -> NetworkFamily:
    policies = [Policy((32, 48)), Policy((21, 17)), Policy((12, 40)), Policy((30, 29))]
    return make_family(small_blueprint(space), policies, [small_model(*p.widths) for p in policies])


def kit(path: Path, **asked: Any) -> PackedNetworks:
    return write_kit(family(), path, **{"device": DEVICE, "seconds": 5.0, "seed": 3, "verification": 6, **asked})


def read(path: Path) -> tuple[PackedNetworks, KitPlan]:
    with ZipFile(path) as file:
        return PackedNetworks.read(file), KitPlan.of(file.read(PLAN_FILE))


def test_the_same_kit_has_the_same_bytes(tmp_path: Path) -> None:
    kit(tmp_path / "one.pyz")
    kit(tmp_path / "two.pyz")
    assert (tmp_path / "one.pyz").read_bytes() == (tmp_path / "two.pyz").read_bytes()


def test_a_kit_holds_what_a_profile_and_its_verification_may_ask_for(tmp_path: Path) -> None:
    written = kit(tmp_path / "kit.pyz")
    packed, plan = read(tmp_path / "kit.pyz")
    assert packed == written
    assert packed.blueprint == small_blueprint()
    assert plan == KitPlan(DEVICE, 5.0, 3, 6, np.__version__)
    wanted = [*possible_policies(small_blueprint(), 3), *unseen_policies(small_blueprint(), 6, 3)]
    assert set(packed.skeletons) == set(wanted) == set(plan.policies(small_blueprint()))
    copies = family()
    for policy in wanted:
        assert packed(policy) == copies(policy)


def test_a_small_space_gives_fewer_networks_to_verify_on(tmp_path: Path) -> None:
    space = small_space().with_widths([(32,), (16, 48)])
    packed = write_kit(family(space), tmp_path / "kit.pyz", device=DEVICE, seconds=1.0)
    assert set(packed.skeletons) == {Policy((32, 16)), Policy((32, 48))}


def test_the_making_is_told(tmp_path: Path) -> None:
    told: list[float] = []
    kit(tmp_path / "kit.pyz", on_progress=lambda _, done: told.append(done))
    assert told == sorted(told)
    assert 0 <= told[0] < told[-1] <= 1


def test_a_kit_is_its_own_program(tmp_path: Path) -> None:
    """All of ours that runs comes from the kit, all that the kit holds runs, and none of it brings a large library."""
    path = tmp_path / "kit.pyz"
    kit(path)
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); import autoprune.profiler.kit.command\n"
        "files = {name: getattr(m, '__file__', None) for name, m in sys.modules.items()}; print(json.dumps(files))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded: dict[str, str | None] = json.loads(done.stdout)
    assert not {name.partition(".")[0] for name in loaded} & HEAVY
    ours = {str(file) for name, file in loaded.items() if name.partition(".")[0] == "autoprune"}
    with ZipFile(path) as archive:
        held = {str(path / name) for name in archive.namelist() if name.startswith("autoprune/")}
    assert ours == held


def test_a_kit_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput, match="folder: cannot be written"):
        kit(tmp_path / "folder")


def test_any_python_3_can_read_the_start() -> None:
    """An old Python has to understand the whole file before it can say that it is too old."""
    ast.parse(Path(kit_start.__file__).read_bytes(), feature_version=(3, 3))
