"""Policies as points of a grid: one coordinate a group, which counts through the widths that the group offers."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from autoprune.cost import FloatArray
from autoprune.feasible import FeasibleSet
from autoprune.space import Policy

Points = NDArray[np.int64]  # [groups] for one policy, [n, groups] for many


class WidthGrid:
    """The policies of a space on offered widths; coordinate 0 is a group's smallest width, `top` [groups] the dense."""

    def __init__(self, feasible: FeasibleSet) -> None:
        self.feasible, self.space = feasible, feasible.space
        offered = [np.array(group.widths, dtype=np.int64) for group in self.space.groups]
        self.top: Points = np.array([len(widths) - 1 for widths in offered])
        longest = int(self.top.max()) + 1
        self._widths = np.stack([np.pad(w, (0, longest - len(w)), mode="edge") for w in offered])
        self._groups = np.arange(len(offered))

    def point(self, policy: Policy) -> Points:
        """The point [groups] of a policy; a width that is not offered counts as the next smaller one."""
        groups = zip(self.space.groups, policy.widths, strict=True)
        return np.array([max(0, bisect_right(group.widths, width) - 1) for group, width in groups])

    def policy(self, point: Points) -> Policy:
        """The policy of a point [groups]."""
        return Policy(tuple(int(w) for w in self.widths(point)))

    def widths(self, points: Points) -> Points:
        """Widths [..., groups] of points [..., groups]."""
        return np.asarray(self._widths[self._groups, points])

    def ratios(self, points: Points) -> FloatArray:
        """Kept ratios [..., groups] of points [..., groups]."""
        return np.asarray(self.widths(points) / self.widths(self.top))

    def keeps(self, points: Points) -> NDArray[np.bool_]:
        """Which of the points [n, groups] keep every budget: bool [n]."""
        return self.feasible.mask(self.widths(points))

    def loads(self, points: Points) -> FloatArray:
        """What points [n, groups] cost as shares of each limit: [n, limits]."""
        return self.feasible.loads(self.widths(points))

    def alone(self, point: Points) -> tuple[Points, Points, Points]:
        """Every point that differs from `point` in one group at most: that group [n], its coordinate [n], points."""
        group = np.repeat(self._groups, self.top + 1)
        coordinate = np.concatenate([np.arange(top + 1) for top in self.top])
        points = np.tile(point, (len(group), 1))
        points[np.arange(len(group)), group] = coordinate
        return group, coordinate, points
