"""A sensitivity analysis as it would come out: groups whose divergence grows with the square of what is cut."""

from __future__ import annotations

from autoprune.deploy.sensitivity.document import CutGroup, GroupLine, Sensitivity, at_saving, common_saving

WIDTH = 32
DENSE_SCORE = 0.93


def group(name: str, damage: float, most_macs: float, widths: tuple[int, ...] = (2, 8, 16, 24)) -> GroupLine:
    """A group that costs `damage` nats when it is gone, and has `most_macs` of the network's MACs."""
    cuts = []
    for width in widths:
        gone = 1 - width / WIDTH
        score = DENSE_SCORE - 0.3 * damage * gone**2
        kl = damage * gone**2
        macs, latency = most_macs * gone, 0.5 * most_macs * gone
        cuts.append(
            CutGroup(width=width, score=score, agreement=1 - kl / 2, kl=kl, macs_saved=macs, latency_saved=latency)
        )
    return GroupLine(group=name, width=WIDTH, cuts=tuple(cuts), equal=None)


def analysis(*lines: GroupLine) -> Sensitivity:
    """The analysis of these groups, or of twelve that grow less sensitive from the first on."""
    lines = lines or tuple(group(f"layer{i}.conv1", 1.0 / (i + 1), 0.1) for i in range(12))
    saving = common_saving(lines)
    return Sensitivity(
        model="resnet20",
        task="cifar10",
        metric="accuracy",
        images=512,
        dense_score=DENSE_SCORE,
        dense_macs=40_000_000,
        equal_macs_saved=saving,
        groups=tuple(line.model_copy(update={"equal": at_saving(line, saving, DENSE_SCORE)}) for line in lines),
    )
