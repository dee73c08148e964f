"""Who reads what: the order of layers, the norm behind a layer, and the shortcut that is added to its output."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from autoprune.tracing.tape import Operation, Tape


def execution_order(tape: Tape) -> tuple[str, ...]:
    """Layers whose weights are summed over, in the order in which they first ran."""
    weights = [n for op in tape.operations if op.contraction for n in op.parameters if n.endswith("weight")]
    return tuple(dict.fromkeys(n.rpartition(".")[0] for n in weights))


def norms_after(tape: Tape) -> dict[str, str]:
    """For each layer that runs once, the batch norm that alone reads its output, and reads nothing else."""
    once, readers = _run_once(tape), _readers(tape)
    found = {}
    for op in tape.operations:
        if op.contraction and op.made[0].storage not in tape.output_storages:
            reading = readers[op.made[0].storage]
            if len(reading) == 1 and "batch_norm" in reading[0].name and {op.module, reading[0].module} <= once:
                found[op.module] = reading[0].module
    return found


def shortcuts(tape: Tape, norm_after: Mapping[str, str]) -> dict[str, str]:
    """For each layer whose output (behind its batch norm) is added to the input of an earlier layer: that layer.

    This is the identity shortcut of a residual block: its value is at hand when the block's first
    layer runs.
    """
    once, readers = _run_once(tape), _readers(tape)
    norm_output = {op.module: op.made[0].storage for op in tape.operations if "batch_norm" in op.name and op.made}
    found: dict[str, str] = {}
    for op in tape.operations:
        if not op.contraction or op.module not in once:
            continue
        norm = norm_after.get(op.module)
        output = norm_output[norm] if norm else op.made[0].storage
        sums = [r for r in readers[output] if r.name in ("add", "add_") and len(r.reads) == 2]
        if len(sums) == 1:
            [other] = set(sums[0].reads) - {output}
            first = [r for r in readers[other] if r.contraction and r.contraction.read == op.made[0].shape]
            if first and first[0].module in once and first[0] is not op:
                found[op.module] = first[0].module
    return found


def _run_once(tape: Tape) -> set[str]:
    """Layers and batch norms that ran exactly once."""
    runs = Counter(op.module for op in tape.operations if op.contraction or "batch_norm" in op.name)
    return {module for module, n in runs.items() if n == 1}


def _readers(tape: Tape) -> dict[int, list[Operation]]:
    """For each storage the operators that read it, in order."""
    readers: dict[int, list[Operation]] = defaultdict(list)
    for op in tape.operations:
        for storage in op.reads:
            readers[storage].append(op)
    return readers
