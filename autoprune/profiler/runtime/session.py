"""One network loaded in ONNX Runtime and ready to be timed; free of torch."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from autoprune.device import PROVIDERS, Device
from autoprune.errors import BadInput

try:
    import resource
except ImportError:  # Windows does not count interruptions
    resource = None  # type: ignore[assignment]

_ERRORS_ONLY = 3
_COLD_RUNS = 2
_SPREADING_S = 0.03
_FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
_INTEGERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_, "tensor(uint8)": np.uint8}


@dataclass(frozen=True, slots=True)
class Runs:
    """Times of some inferences in ms, and in which of them the system gave the processor to another program.

    Where a network runs on one thread, the times are `corrected`: a disturbed run counts with the
    thread's processor time, which leaves out the waiting. Otherwise disturbed runs count only where
    less than a quarter of the runs are undisturbed.
    """

    ms: tuple[float, ...]
    disturbed: tuple[bool, ...]
    corrected: bool = False

    @property
    def undisturbed(self) -> NDArray[np.bool_]:
        """Which runs to look at more closely: the undisturbed ones, or all where those are too few. bool [runs]."""
        quiet = ~np.array(self.disturbed, dtype=bool)
        return quiet if 4 * quiet.sum() >= len(quiet) else np.ones_like(quiet)

    @property
    def median_ms(self) -> float:
        """The median of the runs that count."""
        return float(np.median(np.array(self.ms)[self.undisturbed if not self.corrected else slice(None)]))


class Session:
    """An ONNX network on one device, with random inputs to run it on.

    Runs as it would when deployed: all graph optimisations, operators one after another, each on
    `device.threads` threads. `batch` is the length of inputs' first axis where the network leaves it
    free. `profile_to` (a folder) turns on the runtime's own profiler until
    `end_profiling`; `optimised_to` (a file) keeps the optimised graph without its large weights.
    Raises `BadInput` where the provider is not installed or the network cannot be loaded.
    """

    def __init__(
        self,
        network: bytes | Path,
        device: Device,
        *,
        batch: int = 1,
        seed: int = 0,
        profile_to: Path | None = None,
        optimised_to: Path | None = None,
    ) -> None:
        require_provider(device)
        options = _options(device, profile_to, optimised_to)
        source = network if isinstance(network, bytes) else str(network)
        try:
            self._session = ort.InferenceSession(source, options, providers=[PROVIDERS[device.provider]])
        except Exception as error:  # the runtime raises a dozen unrelated types, all of them mean this
            name = "the network" if isinstance(network, bytes) else str(network)
            raise BadInput(f"{name}: ONNX Runtime cannot load it ({str(error).splitlines()[0]})") from None
        self._require_executed_there(device)
        self._one_thread = device.provider == "cpu" and device.threads == 1
        self.inputs = random_inputs(self._session, batch, seed)

    def _require_executed_there(self, device: Device) -> None:
        if PROVIDERS[device.provider] not in self._session.get_providers():
            raise BadInput(
                f"provider {device.provider} is installed but did not start (ONNX Runtime would fall back to "
                f"{self._session.get_providers()[0]}); check its driver and libraries, or use provider cpu"
            )

    def run(self, inputs: Mapping[str, NDArray[Any]] | None = None) -> list[NDArray[Any]]:
        """The network's outputs on `inputs` (by name), or on the random ones."""
        return list(self._session.run(None, dict(inputs or self.inputs)))

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the network's inputs, in order."""
        return tuple(i.name for i in self._session.get_inputs())

    def warm_up(self) -> int:
        """Run inferences until their times are steady; how many.

        Two suffice on one thread: the first plans the network's memory, and the second touches it for
        the first time (a MobileNetV2 on eight images takes 33 ms in that run and 29.5 in the next).
        Several threads start on one processor, and the system takes some milliseconds to spread them.
        """
        start, runs = time.perf_counter(), 0
        while runs < _COLD_RUNS or (not self._one_thread and time.perf_counter() - start < _SPREADING_S):
            self._session.run(None, self.inputs)
            runs += 1
        return runs

    def time(self, runs: int) -> Runs:
        """Time `runs` inferences of one batch."""
        times, disturbed = [], []
        for _ in range(runs):
            taken_away, own, start = _interruptions(), time.thread_time_ns(), time.perf_counter_ns()
            self._session.run(None, self.inputs)
            wall_ms = (time.perf_counter_ns() - start) * 1e-6
            own_ms = (time.thread_time_ns() - own) * 1e-6
            disturbed.append(_interruptions() != taken_away)
            times.append(own_ms if disturbed[-1] and self._one_thread else wall_ms)
        return Runs(tuple(times), tuple(disturbed), self._one_thread)

    def end_profiling(self) -> Path:
        """Stop the profiler; the file that holds what it saw. Later runs are not profiled and not slowed."""
        return Path(self._session.end_profiling())


def _interruptions() -> int:
    """How often the system took a processor from this process to give it to another; 0 where it does not tell."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw if resource is not None else 0


def require_provider(device: Device) -> None:
    """Raise `BadInput` unless ONNX Runtime was built with the provider that `device` asks for."""
    if PROVIDERS[device.provider] not in ort.get_available_providers():
        installed = [name for name, full in PROVIDERS.items() if full in ort.get_available_providers()]
        raise BadInput(
            f"provider {device.provider} is not in this ONNX Runtime {ort.__version__}, which has "
            f"{', '.join(installed)}; install onnxruntime-gpu in its place, or use one of these"
        )


def require_true_times(device: Device) -> None:
    """Raise `BadInput` where CUDA would return from a kernel before it has run: its driver can be told otherwise."""
    if device.provider == "cuda" and os.environ.get("CUDA_LAUNCH_BLOCKING") != "1":
        raise BadInput(
            "provider cuda: kernels run asynchronously and cannot be timed one by one; start with "
            "CUDA_LAUNCH_BLOCKING=1 in the environment (the latencies are then those of blocking launches)"
        )


def _options(device: Device, profile_to: Path | None, optimised_to: Path | None) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = device.threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _ERRORS_ONLY
    if profile_to is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile_to / "profile")
    if optimised_to is not None:
        options.optimized_model_filepath = str(optimised_to)
        weights = "session.optimized_model_external_initializers"
        options.add_session_config_entry(f"{weights}_file_name", optimised_to.with_suffix(".bin").name)
        options.add_session_config_entry(f"{weights}_min_size_in_bytes", "1024")
    return options


def random_inputs(session: ort.InferenceSession, batch: int, seed: int) -> dict[str, NDArray[Any]]:
    """A value for every input of `session`: normal floats (no NaN, no denormals), integers 0.

    A free first axis has length `batch`. Raises `BadInput` for an input with another free axis, or
    of a type that cannot be filled.
    """
    rng = np.random.default_rng(seed)
    filled: dict[str, NDArray[Any]] = {}
    for wanted in session.get_inputs():
        shape = _fixed_shape(wanted.name, wanted.shape, batch)
        if wanted.type in _FLOATS:
            filled[wanted.name] = rng.standard_normal(shape).astype(_FLOATS[wanted.type])
        elif wanted.type in _INTEGERS:
            filled[wanted.name] = np.zeros(shape, dtype=_INTEGERS[wanted.type])
        else:
            raise BadInput(f"input {wanted.name} is a {wanted.type}; only tensors of numbers can be timed")
    return filled


def _fixed_shape(name: str, shape: Sequence[Any], batch: int) -> tuple[int, ...]:
    free = [axis for axis, length in enumerate(shape) if not isinstance(length, int)]
    if free not in ([], [0]):
        raise BadInput(
            f"input {name} has shape {list(shape)}; only the first axis may be free, export it with fixed ones"
        )
    return tuple(batch if axis in free else int(length) for axis, length in enumerate(shape))
