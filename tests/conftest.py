"""Fixtures of all tests, and what has to be set before the first of them."""

from __future__ import annotations

import importlib.util
import signal
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

# The same examples every time, and no deadline: a rare failure is for whoever looks for one (CONTRIBUTING.md) to find.
settings.load_profile("ci")
settings.register_profile(
    "explore",
    settings.get_profile("default"),
    max_examples=2000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)

pytest_plugins = ("service_fixtures",)

torch.set_num_threads(1)  # tests run in as many processes as there are cores
# A job in the background ignores Ctrl-C, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def _declare_torchvision_operators() -> torch.library.Library | None:
    """Let torchvision import beside a build of torch that its compiled part does not fit.

    Model definitions need no operator of that part, but importing them looks for two. Where the
    part loads, nothing is declared.
    """
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        return None
    try:
        for compiled in Path(found.origin).parent.glob("_C*.so"):
            torch.ops.load_library(compiled)  # type: ignore[no-untyped-call]
    except OSError:
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            signature = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            library.define(signature)  # type: ignore[no-untyped-call]
        return library
    return None


_operators = _declare_torchvision_operators()  # they last as long as this name does


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real images and weights beside the project; skips where there is none."""
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"no {folder} with CIFAR-10 images and weights")
    return folder
