from __future__ import annotations

import torch

from autoprune.models.digits_cnn import digits_cnn


def test_logits_for_grey_digits() -> None:
    network = digits_cnn().eval()
    with torch.inference_mode():
        assert network(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


def test_widths_and_classes_are_options() -> None:
    network = digits_cnn(num_classes=4, widths=(4, 6, 10)).eval()
    assert network(torch.zeros(1, 1, 8, 8)).shape == (1, 4)
    assert sum(p.numel() for p in network.parameters()) < 4000


def test_the_image_is_never_made_smaller_before_the_final_pooling() -> None:
    """Its latency must stay long beside a runtime's constant per run."""
    network = digits_cnn()
    strides = {m.stride for m in network.modules() if isinstance(m, torch.nn.Conv2d)}
    assert strides == {(1, 1)}
