from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save, save_file
from torch import nn

from autoprune.errors import BadInput, CorruptFile
from autoprune.models import fingerprint, load_weights
from autoprune.models.digits_cnn import digits_cnn


def _network(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return digits_cnn(widths=(4, 4, 8))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The weights of `_network(1)`."""
    path = tmp_path / "net.safetensors"
    save_file(_network(1).state_dict(), path)
    return path


class _Bomb:
    """Unpickling it writes a file: the proof that code ran."""

    def __init__(self, proof: Path) -> None:
        self._proof = proof

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self._proof,))


def test_loading_gives_the_saved_network(file: Path) -> None:
    network = _network(2)
    load_weights(network, file)
    assert fingerprint(network) == fingerprint(_network(1))


def test_a_data_parallel_prefix_is_dropped_and_half_precision_widened(tmp_path: Path) -> None:
    state = {f"module.{name}": t.half() for name, t in _network(1).state_dict().items()}
    save_file(state, tmp_path / "half.safetensors")
    network = _network(2)
    load_weights(network, tmp_path / "half.safetensors")
    for name, tensor in network.state_dict().items():
        assert tensor.dtype in (torch.float32, torch.int64)
        torch.testing.assert_close(tensor, state[f"module.{name}"].to(tensor.dtype))


def test_counters_of_batches_may_be_absent(tmp_path: Path) -> None:
    state = {n: t for n, t in _network(1).state_dict().items() if not n.endswith("num_batches_tracked")}
    save_file(state, tmp_path / "old.safetensors")
    network = _network(2)
    load_weights(network, tmp_path / "old.safetensors")
    assert fingerprint(network) == fingerprint(_network(1))


def test_tied_tensors_are_given_once(tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(3, 3, bias=False)
            self.b = nn.Linear(3, 3, bias=False)
            self.b.weight = self.a.weight

    save_file({"a.weight": torch.eye(3)}, tmp_path / "tied.safetensors")
    network = Tied()
    load_weights(network, tmp_path / "tied.safetensors")
    torch.testing.assert_close(network.b.weight.detach(), torch.eye(3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("linear.bias"), r"no tensors for linear\.bias"),
        (lambda s: s.update({"fc.weight": torch.zeros(2)}), r"does not have fc\.weight"),
        (lambda s: s.update({"linear.bias": torch.zeros(7)}), r"linear\.bias \(7,\) where the model has \(10,\)"),
        (lambda s: s.update({"linear.bias": torch.full((10,), torch.nan)}), r"not finite in linear\.bias"),
        (lambda s: s.clear(), r"no tensors for .*, .*, .* and \d+ more"),
    ],
)
def test_tensors_that_do_not_fit_are_named_and_the_model_is_left_alone(
    tmp_path: Path, change: object, message: str
) -> None:
    state = dict(_network(1).state_dict())
    assert callable(change)
    change(state)
    save_file(state, tmp_path / "other.safetensors")
    network = _network(2)
    with pytest.raises(BadInput, match=message):
        load_weights(network, tmp_path / "other.safetensors")
    assert fingerprint(network) == fingerprint(_network(2))


@given(cut=st.floats(0, 1, exclude_max=True))
def test_any_truncation_is_a_corrupt_file(tmp_path_factory: pytest.TempPathFactory, cut: float) -> None:
    whole = save(_network(1).state_dict())
    path = tmp_path_factory.mktemp("cut") / "net.safetensors"
    path.write_bytes(whole[: int(cut * len(whole))])
    with pytest.raises(CorruptFile, match="not a whole safetensors file"):
        load_weights(_network(2), path)


def test_a_header_that_is_no_json_is_a_corrupt_file(tmp_path: Path) -> None:
    header = b"{" * 32
    (tmp_path / "bad.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(CorruptFile):
        load_weights(_network(2), tmp_path / "bad.safetensors")


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors", ""])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_is_refused_and_never_runs(tmp_path: Path, suffix: str, protocol: int) -> None:
    proof, path = tmp_path / "proof", tmp_path / f"weights{suffix}"
    path.write_bytes(pickle.dumps(_Bomb(proof), protocol=protocol))
    with pytest.raises(BadInput):
        load_weights(_network(2), path)
    assert not proof.exists()
    pickle.loads(path.read_bytes())  # the bomb does work where something unpickles it
    assert proof.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_the_refusal_of_a_torch_file_tells_how_to_convert_it(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "weights.dat"
    torch.save(_network(1).state_dict(), path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(BadInput, match=r"safetensors\.torch\.save_file"):
        load_weights(_network(2), path)


def test_a_safetensors_file_may_have_any_name_and_any_header_length(tmp_path: Path) -> None:
    """A header of 640 bytes makes the file begin as a pickle of protocol 2 does."""
    tensors = {name: t.contiguous() for name, t in nn.Linear(2, 2).state_dict().items()}
    whole = save(tensors)
    (length,) = struct.unpack("<Q", whole[:8])
    header = json.dumps(json.loads(whole[8 : 8 + length])).encode().ljust(640)
    path = tmp_path / "weights.pt"
    path.write_bytes(struct.pack("<Q", 640) + header + whole[8 + length :])
    assert path.read_bytes().startswith(b"\x80\x02")
    network = nn.Linear(2, 2)
    load_weights(network, path)
    torch.testing.assert_close(network.weight.detach(), tensors["weight"])


@pytest.mark.parametrize("name", ["absent.safetensors", "."])
def test_a_path_that_is_no_file_is_bad_input(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        load_weights(_network(2), tmp_path / name)


def test_the_fingerprint_tells_weights_and_buffers_apart() -> None:
    network = _network(1)
    before = fingerprint(network)
    assert len(before) == 16
    assert int(before, 16) >= 0
    assert fingerprint(_network(1)) == before
    assert fingerprint(_network(2)) != before
    next(network.buffers())[0] += 1
    assert fingerprint(network) != before


def test_the_fingerprint_tells_shapes_apart() -> None:
    wide, tall = nn.Linear(2, 3, bias=False), nn.Linear(3, 2, bias=False)
    nn.init.zeros_(wide.weight)
    nn.init.zeros_(tall.weight)
    assert fingerprint(wide) != fingerprint(tall)
