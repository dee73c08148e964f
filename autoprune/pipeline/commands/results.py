"""What the commands other than `run` answer with."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from autoprune.deploy.document.goals import BudgetLine, FloorLine, OtherDevice
from autoprune.deploy.document.standing import CostLine


class _Result(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProfileResult(_Result):
    """A table that was measured; `energy` says how its energies came about, and their constants.

    `rows` are those of the table by now. Of the network: the copies (`networks`) that it was measured
    in and the mean error on them, its channel groups, how many of their widths were measured and how
    many are worth offering, and the share of the kernels looked up that lie between measured ones.
    """

    table: Path
    rows: int
    networks: int
    mean_error: float
    groups: int
    measured_widths: int
    offered_widths: int
    interpolated: float
    energy: str
    seconds: float


class KitResult(_Result):
    """A kit that profiles a network on another device: `networks` copies of it, in a file of `size_bytes`."""

    kit: Path
    size_bytes: int
    networks: int
    seconds: float


class SearchResult(_Result):
    """What a search was asked for and the policy that it chose; relative costs are shares of the dense network's.

    `reward` and `validation_score` are those of the chosen policy's trial, null where its policy
    was tightened after the search; `selection_score` is that of its network once refitted. All of
    `policy` and its numbers are null where only a front (`front` is its file) was asked for.
    """

    folder: Path
    metric: str
    trials: int
    policy: Path | None = None
    reward: float | None = None
    validation_score: float | None = None
    selection_score: float | None = None
    relative_macs: float | None = None
    relative_params: float | None = None
    relative_latency: float | None = None
    relative_energy: float | None = None
    relative_memory: float | None = None
    relative_size: float | None = None
    floor: FloorLine | None = None
    also: tuple[OtherDevice, ...] = ()
    front: Path | None = None
    frozen: dict[str, str]


class RetargetResult(SearchResult):
    """The policy that was chosen from the trials of the run in `run` by other goals, and its network.

    `keeping` of the run's `trials` keep the new budgets; the policies of `moved` were cut to widths
    that the table knows, so that nobody has scored them as they are now. `dense`, `pruned` (before
    any fine-tuning) and `finetuned` (null without) are what the networks cost, by the same keys as in
    report.json: measured in turns, unless `predicted_for` names another device, whose table tells
    their costs. The last of them is the one in the files; `selection_score` is the pruned one's.
    """

    run: Path
    keeping: int
    moved: int
    onnx: Path
    weights: Path
    predicted_for: str | None
    budgets: tuple[BudgetLine, ...]
    dense: CostLine
    pruned: CostLine
    finetuned: CostLine | None
    finetuned_selection_score: float | None

    @property
    def result(self) -> CostLine:
        """What the network that is handed over costs: the fine-tuned one where there is one."""
        return self.finetuned or self.pruned

    @property
    def networks(self) -> dict[str, CostLine]:
        """What each network costs, by what people call it."""
        always = {"Dense": self.dense, "Pruned": self.pruned}
        return {**always, "Fine-tuned": self.finetuned} if self.finetuned else always


class ApplyResult(_Result):
    """A network that was pruned as a policy file says; `refitted` tells whether a task's images were at hand."""

    onnx: Path
    weights: Path
    macs: int
    params: int
    parity: float
    refitted: bool
    score: float | None
