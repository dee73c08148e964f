"""What a network scores on the split that chooses and on the one that does not."""

from __future__ import annotations

from pydantic import Field

from autoprune.deploy.document.base import Number, Part


class SplitScores(Part):
    """The task's metric of one network on two splits."""

    selection: Number
    test: Number = Field(description="these images choose nothing")
