"""Each group of a small network cut alone, on real digits, through the front door."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from autoprune.cli import main
from autoprune.deploy.run_folder import RunFolder
from autoprune.deploy.sensitivity.document import Sensitivity
from autoprune.errors import BadInput
from autoprune.evaluation.evaluator import Evaluator
from autoprune.pipeline import sensitivity
from autoprune.pipeline.subject import prepare
from autoprune.progress import Silent
from autoprune.pruning import Pruner
from autoprune.searchers.ledger import Ledger
from autoprune.space import Policy
from autoprune.spec import RunSpec

FLAGS = ["--model", "narrow:narrow_net", "--task", "digits", "--name", "small"]
GROUPS, WIDTHS = 7, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """An analysis without a spec and without a budget."""
    out = tmp_path_factory.mktemp("runs") / "out"
    assert main(["sensitivity", *FLAGS, "--widths", str(WIDTHS), "--out", str(out)]) == 0
    return RunFolder(out)


@pytest.fixture
def found(folder: RunFolder) -> Sensitivity:
    return Sensitivity.load(folder.sensitivity)


def test_the_analysis_follows_its_schema_and_has_its_page(folder: RunFolder) -> None:
    document = json.loads(folder.sensitivity.read_text())
    jsonschema.validate(document, json.loads(Sensitivity.schema_file().read_text()))
    assert "<svg" in folder.sensitivity_page.read_text()


def test_every_group_is_cut_to_so_many_widths_spread_from_the_narrowest_on(found: Sensitivity) -> None:
    assert len(found.groups) == GROUPS
    for line in found.groups:
        widths = [cut.width for cut in line.cuts]
        assert line.width == 16
        assert widths == [1, 6, 11]


def test_the_numbers_are_those_of_a_network_with_that_group_alone_cut(folder: RunFolder, found: Sensitivity) -> None:
    spec = RunSpec.load(folder.spec)
    subject = prepare(spec, folder, Silent())
    network, splits = subject.network, subject.splits
    pruner = Pruner(network.model, network.traced, splits.calibration.inputs, seed=spec.search.seed)
    evaluator = Evaluator(network.model, pruner.slice, splits.validation, subject.task)
    dense = [group.width for group in network.traced.space.groups]
    assert found.dense_score == evaluator.quality(network.model).score
    for index, line in list(enumerate(found.groups))[::2]:
        for cut in line.cuts:
            policy = Policy((*dense[:index], cut.width, *dense[index + 1 :]))
            quality = evaluator.quality_of(policy)
            assert (cut.score, cut.agreement) == (quality.score, quality.agreement)
            assert cut.kl == pytest.approx(quality.kl, rel=1e-5, abs=1e-7)


def test_the_narrowest_cut_hurts_more_and_saves_more_than_the_widest(found: Sensitivity) -> None:
    for line in found.groups:
        narrowest, widest = line.cuts[0], line.cuts[-1]
        assert narrowest.macs_saved > widest.macs_saved > 0
        assert narrowest.kl is not None
        assert widest.kl is not None
        assert narrowest.kl > widest.kl
        assert narrowest.latency_saved is None


def test_the_same_again_scores_nothing_and_ends_alike(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    before = folder.sensitivity.read_text()
    trials = len(Ledger(folder.study, "small", None).trials())
    assert main(["sensitivity", *FLAGS, "--widths", str(WIDTHS), "--out", str(folder.path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(before)
    assert folder.sensitivity.read_text() == before
    assert len(Ledger(folder.study, "small", None).trials()) == trials == GROUPS * WIDTHS


def test_more_widths_go_on_from_there(folder: RunFolder, found: Sensitivity) -> None:
    more = sensitivity(RunSpec.load(folder.spec), WIDTHS + 2, folder.path)
    found.write(folder.sensitivity)
    assert [len(line.cuts) for line in more.groups] == [WIDTHS + 2] * GROUPS
    for line, before in zip(more.groups, found.groups, strict=True):
        assert line.cuts[0] == before.cuts[0]


def test_a_budget_on_latency_brings_the_devices_widths_and_savings(tmp_path: Path) -> None:
    timed = ["--model", "tiny:tiny_net", "--task", "digits", "--budget", "latency=1x", "--seconds", "2"]
    assert main(["sensitivity", *timed, "--widths", "2", "--out", str(tmp_path)]) == 0
    savings = [
        cut.latency_saved for line in Sensitivity.load(tmp_path / "sensitivity.json").groups for cut in line.cuts
    ]
    assert savings
    assert all(saved is not None and saved > 0 for saved in savings)  # only widths that are faster are on offer


def test_no_width_is_refused(tmp_path: Path) -> None:
    spec = RunSpec.parse(
        {"model": {"name": "narrow:narrow_net"}, "task": {"name": "digits"}, "search": {"budgets": ["macs=1x"]}}
    )
    with pytest.raises(BadInput, match="at least 1"):
        sensitivity(spec, 0, tmp_path / "out")
    assert not (tmp_path / "out").exists()
