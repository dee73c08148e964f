"""Whether a search's scores rank policies as unseen images do: Spearman's rank correlation with the test score.

Takes a run's search (one that is there already is read, not repeated), draws policies spread over its
ranking, refits each layer by layer, and scores it on the selection and the test split. A measurement
only: the test images choose nothing here, and nothing in the package does this.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from autoprune.cli.progress import listening
from autoprune.correlation import rank_correlation
from autoprune.deploy.run_folder import RunFolder
from autoprune.evaluation.evaluator import scores
from autoprune.pipeline.costs.costing import cost_policies
from autoprune.pipeline.goals.search import Explored, explore
from autoprune.pipeline.subject import Subject, prepare
from autoprune.progress import Progress
from autoprune.space import Policy
from autoprune.spec import RunSpec
from autoprune.trial import Trial

RESAMPLES = 5000


@dataclass(frozen=True)
class Line:
    """One policy: what the search saw of it, and what it is worth once refitted, on two splits."""

    rank: int  # in the search, 0 is the best
    reward: float
    search: float
    selection: float
    test: float


def spread(trials: Sequence[Trial], count: int) -> list[tuple[int, Trial]]:
    """At most `count` different policies from the best to the worst, evenly over the ranking, with their ranks."""
    ranked = sorted(trials, key=lambda trial: trial.rank_key, reverse=True)
    first: dict[Policy, Trial] = {}
    for trial in ranked:
        first.setdefault(trial.policy, trial)
    different = list(first.values())
    picked = np.unique(np.linspace(0, len(different) - 1, min(count, len(different))).round().astype(int))
    return [(int(i), different[i]) for i in picked]


def measured(explored: Explored, subject: Subject, count: int, progress: Progress) -> list[Line]:
    """The drawn policies, refitted and scored."""
    lines = []
    drawn = spread(explored.searched.trials, count)
    with progress.stage("refitting policies"):
        for done, (rank, trial) in enumerate(drawn, 1):
            module = explored.judge.pruner.apply(trial.policy)
            selection = explored.judge.evaluator.quality(module).score
            test = float(scores(module, subject.splits.test, subject.task).double().mean())
            lines.append(Line(rank, trial.reward, trial.quality.score, selection, test))
            progress.advance(done, len(drawn), f"test score {test:.4f}")
    return lines


def interval(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """95% interval of the rank correlation, bootstrapped over the policies."""
    one, two = np.array(first), np.array(second)
    picks = np.random.default_rng(0).integers(0, len(one), (RESAMPLES, len(one)))
    low, high = np.quantile([rank_correlation(one[pick], two[pick]) for pick in picks], [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", type=Path, help="the spec of a run (TOML)")
    parser.add_argument("--policies", type=int, default=30, help="how many to draw")
    parser.add_argument(
        "--out", type=Path, help="the run's folder (default: runs/NAME); searched where it has not been"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    arguments = parser.parse_args()
    spec = RunSpec.load(arguments.spec)
    folder = RunFolder.claim(arguments.out or Path("runs") / spec.name, spec)
    with listening() as progress:
        subject = prepare(spec, folder, progress)
        costing = cost_policies(subject.network, spec, folder.table, progress)
        lines = measured(explore(spec, subject, costing, folder, progress), subject, arguments.policies, progress)
    test = [line.test for line in lines]
    against = {
        "search reward": [line.reward for line in lines],
        "search score": [line.search for line in lines],
        "selection score": [line.selection for line in lines],
    }
    found = {name: (rank_correlation(values, test), interval(values, test)) for name, values in against.items()}
    if arguments.json:
        correlations = {name: {"spearman": rho, "ci95": ci95} for name, (rho, ci95) in found.items()}
        rows = [asdict(line) for line in lines]
        print(json.dumps({"name": spec.name, "reward": spec.search.reward, "correlations": correlations, "rows": rows}))
        return
    print(f"{spec.name}: {len(lines)} policies over the ranking of the search, refitted layer by layer")
    print(f"{'rank':>5} {'reward':>10} {'search':>8} {'selection':>10} {'test':>8}")
    for line in lines:
        print(f"{line.rank:5} {line.reward:10.4f} {line.search:8.4f} {line.selection:10.4f} {line.test:8.4f}")
    for name, (rho, (low, high)) in found.items():
        print(f"{name:16} against the test score: Spearman {rho:+.3f} (95% interval {low:+.3f} to {high:+.3f})")


if __name__ == "__main__":
    main()
