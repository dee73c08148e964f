"""Visits to made-up networks of known kernel times, on a machine whose speed changes."""

from __future__ import annotations

import numpy as np

from autoprune.cost import FloatArray, Kernel
from autoprune.profiler.timing.visits import Visit

KERNELS = [Kernel("Relu", ((n,),), ((n,),)) for n in range(12)]
TRUE_US = dict(zip(KERNELS, np.linspace(3, 60, len(KERNELS)).tolist(), strict=True))
NETWORKS, ROUNDS = 10, 6


def visits(overhead_us: float = 0.0, *, own: FloatArray | None = None) -> tuple[list[Visit], FloatArray]:
    """Rounds of networks, each slower by its `own` factor, and the machine's speed in each visit, median 1."""
    rng = np.random.default_rng(0)
    speed = np.exp(rng.normal(0, 0.1, size=NETWORKS * ROUNDS))
    own = np.ones(NETWORKS) if own is None else own
    made = []
    for index, factor in enumerate(speed.tolist()):
        network = index % NETWORKS
        counts = np.random.default_rng(network).integers(0, 4, len(KERNELS))
        sites = {kernel: int(n) for kernel, n in zip(KERNELS, counts, strict=True) if n}
        true = {kernel: TRUE_US[kernel] * float(own[network]) for kernel in sites}
        whole_us = sum(true[kernel] * count for kernel, count in sites.items())
        made.append(
            Visit(
                network=network,
                kernel_us={kernel: (time + overhead_us) * factor for kernel, time in true.items()},
                sites=sites,
                network_ms=whole_us * factor * 1e-3,
                reference_ms=factor,
                runs=10,
                disturbed=0.0,
                run_s=0.01,
                loading_s=0.01,
                took_s=0.2,
            )
        )
    return made, speed / np.median(speed)
