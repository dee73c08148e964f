from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from small_networks import CPU, Alone, SmallNetworks, small_space

from autoprune.device import Device
from autoprune.errors import BadInput
from autoprune.profiler.profile import profile
from autoprune.profiler.runtime.fingerprint import Fingerprint
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.profiler.table.prediction import TimedPlan
from autoprune.space import SearchSpace
from autoprune.tables.reading import read_table

SPACE = small_space()
DIGEST = SmallNetworks().blueprint.digest


@functools.cache
def table() -> LatencyTable:
    return profile(SmallNetworks(), device=CPU, seconds=0.5, seed=3)


def test_a_table_says_what_was_measured_where_and_how_it_adds_up() -> None:
    [found] = table().networks.values()
    assert table().fingerprint == Fingerprint.here(CPU)
    assert found.name == "small"
    assert found.input_shape == (1, 3, 16, 16)
    assert [(g.name, g.width, g.widths) for g in found.groups] == [(g.name, g.width, g.widths) for g in SPACE.groups]
    assert found.networks >= 10
    assert found.unexplained == 0
    assert all(row.ms > 0 and row.visits >= 2 for row in table().rows)
    assert all(row.runs >= 2 * row.visits for row in table().rows)
    assert table().reference.median > 0
    assert table().reference.runs >= 2 * found.networks  # it is timed before every visit


def test_every_policy_on_offer_has_a_latency(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    table().save(path)
    timed = TimedPlan.of(read_table(path), DIGEST, SPACE)
    widths = np.array([(a, b) for a in SPACE.groups[0].widths for b in SPACE.groups[1].widths])
    latency = timed.latency()(widths)
    sums = np.array([timed.kernel_sum_ms(units) for units in widths.tolist()])
    np.testing.assert_allclose(latency, timed.composition(sums))
    assert (sums > 0).all()
    assert timed.coverage().unknown == 0


def test_the_same_seed_looks_at_the_same_networks() -> None:
    asked = []
    for _ in range(2):
        made = SmallNetworks()
        profile(made, device=CPU, seconds=0.1, seed=5)
        asked.append(list(dict.fromkeys(made.asked)))
    assert asked[0] == asked[1]


def test_a_network_without_groups_can_be_profiled() -> None:
    measured = profile(Alone(), device=CPU, seconds=0.1)
    timed = TimedPlan.of(measured, Alone.blueprint.digest, SearchSpace(()))
    assert timed.latency()(np.zeros((1, 0), dtype=np.int64))[0] > 0


def test_a_table_is_kept_before_the_journal_is_forgotten(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    kept: list[tuple[LatencyTable, bool]] = []
    made = profile(
        Alone(),
        device=CPU,
        seconds=0.1,
        journal=journal,
        keep=lambda table: kept.append((table, journal.is_file())),
    )
    assert kept == [(made, True)]
    assert not journal.exists()


def test_what_is_measured_is_still_there_when_it_cannot_be_kept(tmp_path: Path) -> None:
    def fail(_: LatencyTable) -> None:
        raise BadInput("the disk is full")

    journal = tmp_path / "journal"
    with pytest.raises(BadInput, match="disk"):
        profile(Alone(), device=CPU, seconds=0.1, journal=journal, keep=fail)
    assert len(journal.read_text().splitlines()) >= 3


def test_progress_is_told_with_shares_between_none_and_all() -> None:
    told: list[tuple[str, float]] = []
    profile(Alone(), device=CPU, seconds=0.1, on_progress=lambda message, done: told.append((message, done)))
    assert all(0 <= done <= 1 for _, done in told)
    notes = [message for message, _ in told]
    assert any(note.startswith("reading what the runtime executes") for note in notes)
    assert any(note.startswith("timing kernels") for note in notes)


def test_a_provider_that_is_not_there_is_refused_before_anything_is_run() -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    made = SmallNetworks()
    with pytest.raises(BadInput, match="provider cuda"):
        profile(made, device=Device("cuda"), seconds=1)
    assert made.asked == []
