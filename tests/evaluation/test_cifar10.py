from __future__ import annotations

import io
import pickle
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from autoprune.errors import AutopruneError, BadInput, CorruptFile
from autoprune.evaluation.cifar10 import cifar10

_NAMES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
_EACH = 3  # images a batch
_RNG = np.random.default_rng(0)
_PIXELS: NDArray[np.uint8] = _RNG.integers(0, 256, (len(_NAMES) * _EACH, 3, 32, 32), dtype=np.uint8)
_CLASSES: NDArray[np.int64] = _RNG.integers(0, 10, len(_PIXELS))


def _batches() -> dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    parts = (slice(i * _EACH, (i + 1) * _EACH) for i in range(len(_NAMES)))
    return {name: (_PIXELS[part], _CLASSES[part]) for name, part in zip(_NAMES, parts, strict=True)}


def _python_files() -> dict[str, bytes]:
    """Written as the original: protocol 2, keys and names as bytes."""
    return {
        name: pickle.dumps({b"batch_label": b"x", b"data": x.reshape(len(x), -1), b"labels": y.tolist()}, protocol=2)
        for name, (x, y) in _batches().items()
    }


def _binary_files() -> dict[str, bytes]:
    return {
        f"{name}.bin": np.concatenate([y[:, None].astype(np.uint8), x.reshape(len(x), -1)], axis=1).tobytes()
        for name, (x, y) in _batches().items()
    }


def _archive(path: Path, files: dict[str, bytes], folder: str) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {"readme.html": b"<html>", **files}.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def _folder(path: Path, files: dict[str, bytes]) -> Path:
    path.mkdir(parents=True)
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def _npz(path: Path, **changes: object) -> Path:
    train = (len(_NAMES) - 1) * _EACH
    arrays = {
        "train_x": _PIXELS[:train],
        "train_y": _CLASSES[:train],
        "test_x": _PIXELS[train:],
        "test_y": _CLASSES[train:],
    }
    np.savez(path, **{**arrays, **changes})  # type: ignore[arg-type]
    return path


_FORMS: dict[str, Callable[[Path], Path]] = {
    "npz": lambda d: _npz(d / "cifar.npz"),
    "python archive": lambda d: _archive(d / "cifar-10-python.tar.gz", _python_files(), "cifar-10-batches-py"),
    "python folder": lambda d: _folder(d / "py", _python_files()),
    "folder around the python folder": lambda d: _folder(d / "a" / "cifar-10-batches-py", _python_files()).parent,
    "binary archive": lambda d: _archive(d / "cifar-10-binary.tar.gz", _binary_files(), "cifar-10-batches-bin"),
    "binary folder": lambda d: _folder(d / "bin", _binary_files()),
    "binary file": lambda d: _folder(d / "bin", _binary_files()) / "test_batch.bin",
}


@pytest.mark.parametrize("form", _FORMS)
def test_every_usual_form_gives_the_same_images(tmp_path: Path, form: str) -> None:
    task = cifar10(_FORMS[form](tmp_path))
    assert task.input_shape == (3, 32, 32)
    images = [part.batch(torch.arange(len(part))) for part in (task.train, task.test)]
    inputs = torch.cat([x for x, _ in images]).numpy()
    classes = torch.cat([y for _, y in images]).numpy()
    mean, std = (np.array(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    np.testing.assert_allclose(inputs * std + mean, _PIXELS / 255, atol=1e-6)
    np.testing.assert_array_equal(classes, _CLASSES)
    assert len(task.test) == _EACH


class _Bomb:
    def __init__(self, proof: Path) -> None:
        self._proof = proof

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self._proof,))


@pytest.mark.parametrize("place", ["whole", "inside"])
def test_a_batch_that_would_run_code_is_refused_and_runs_nothing(tmp_path: Path, place: str) -> None:
    proof = tmp_path / "proof"
    bomb: object = _Bomb(proof) if place == "whole" else {b"data": [_Bomb(proof)], b"labels": [0]}
    files = {**_python_files(), "data_batch_2": pickle.dumps(bomb, protocol=2)}
    with pytest.raises(CorruptFile, match=r"data_batch_2.*refused"):
        cifar10(_folder(tmp_path / "py", files))
    assert not proof.exists()
    pickle.loads(files["data_batch_2"])
    assert proof.exists()  # the bomb does work where something unpickles it freely


@pytest.mark.parametrize(
    "batch",
    [
        [1, 2],
        {b"data": np.zeros((3, 3072), np.uint8)},
        {b"data": np.zeros((3, 100), np.uint8), b"labels": [0, 1, 2]},
        {b"data": np.zeros((3, 3072), np.float32), b"labels": [0, 1, 2]},
        {b"data": np.zeros((3, 3072), np.uint8), b"labels": [0, 1, 10]},
        {b"data": np.zeros((3, 3072), np.uint8), b"labels": [0, 1]},
        {b"data": np.zeros((3, 3072), np.uint8), b"labels": ["a", "b", "c"]},
        {b"data": np.full((3, 3072), None, object), b"labels": [0, 1, 2]},
    ],
)
def test_python_batches_of_other_content_are_refused(tmp_path: Path, batch: object) -> None:
    files = {**_python_files(), "data_batch_4": pickle.dumps(batch, protocol=2)}
    with pytest.raises(BadInput, match="data_batch_4"):
        cifar10(_folder(tmp_path / "py", files))


@pytest.mark.parametrize("form", ["npz", "python archive", "binary archive"])
@settings(max_examples=25, deadline=None)
@given(cut=st.floats(0, 0.99))
def test_any_truncation_is_a_corrupt_file(tmp_path_factory: pytest.TempPathFactory, form: str, cut: float) -> None:
    path = _FORMS[form](tmp_path_factory.mktemp("cut"))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(cut * len(whole))])
    with pytest.raises(CorruptFile, match=path.name):
        cifar10(path)


@settings(max_examples=40, deadline=None)
@given(at=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_a_damaged_python_batch_raises_nothing_but_our_own_errors(
    tmp_path_factory: pytest.TempPathFactory, at: float, byte: int
) -> None:
    files = _python_files()
    content = bytearray(files["test_batch"])
    content[int(at * 120)] = byte  # the opcodes before the pixels
    folder = _folder(tmp_path_factory.mktemp("damaged") / "py", {**files, "test_batch": bytes(content)})
    try:
        cifar10(folder)
    except AutopruneError as error:
        assert "test_batch" in str(error)  # noqa: PT017 - a harmless change is allowed as well
    finally:
        shutil.rmtree(folder)


def test_a_missing_batch_is_named(tmp_path: Path) -> None:
    for files, name in ((_python_files(), "data_batch_3"), (_binary_files(), "test_batch.bin")):
        del files[name]
        with pytest.raises(CorruptFile, match=f"{name} is missing"):
            cifar10(_folder(tmp_path / name, files))


def test_a_binary_batch_of_half_a_record_is_refused(tmp_path: Path) -> None:
    files = _binary_files()
    files["data_batch_5.bin"] += b"\0"
    with pytest.raises(CorruptFile, match=r"data_batch_5\.bin: its length"):
        cifar10(_folder(tmp_path / "bin", files))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_x": np.zeros((15, 32, 32, 3), np.uint8)}, r"train_x, train_y: images are uint8 of shape"),
        ({"test_x": np.zeros((3, 3, 32, 32), np.float32)}, "test_x, test_y: images are uint8"),
        ({"test_x": np.zeros((0, 3, 32, 32), np.uint8), "test_y": np.zeros(0, np.int64)}, "N > 0"),
        ({"test_y": np.array([0, 1])}, "expected 3 integer classes"),
        ({"test_y": np.array([0, 1, 10])}, "classes run from 0 to 9"),
        ({"test_y": np.array([0, 1, -1])}, "classes run from 0 to 9"),
        ({"train_x": np.full((15, 3, 32, 32), None, object)}, "plain arrays"),
    ],
)
def test_npz_arrays_of_other_kinds_are_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        cifar10(_npz(tmp_path / "cifar.npz", **changes))


def test_an_npz_without_an_array_says_which(tmp_path: Path) -> None:
    np.savez(tmp_path / "cifar.npz", train_x=_PIXELS)
    with pytest.raises(BadInput, match="has no array 'train_y'"):
        cifar10(tmp_path / "cifar.npz")


def test_paths_that_are_no_cifar10_say_what_would_be(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("1,2")
    for path in (tmp_path / "absent.npz", tmp_path / "data.csv", tmp_path):
        with pytest.raises(BadInput, match=r"CIFAR-10 data is an \.npz with train_x"):
            cifar10(path)


def test_networks_come_trained_unless_told_otherwise(tmp_path: Path) -> None:
    path = _npz(tmp_path / "cifar.npz")
    assert not cifar10(path).holdout
    assert cifar10(path, holdout=True).holdout
