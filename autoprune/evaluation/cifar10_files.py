"""Readers of CIFAR-10's files: .npz, the "python" batches (pickles, read safely) and the "binary" ones."""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoprune.errors import BadInput, CorruptFile

_SHAPE = (3, 32, 32)
_BYTES = 3 * 32 * 32
_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
_TEST = "test_batch"
_FORMS = "an .npz with train_x, train_y, test_x and test_y, or the python or binary archive of CIFAR-10, or its folder"


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPixels:
    """Bytes (N, 3, 32, 32), channels red, green, blue, and classes int64 (N,) from 0 to 9."""

    pixels: NDArray[np.uint8]
    classes: NDArray[np.int64]

    @classmethod
    def checked(cls, pixels: Any, classes: Any, source: str) -> LabelledPixels:
        """From arrays of unknown origin; raises `BadInput` that tells `source` and what is wrong."""
        pixels, classes = np.asarray(pixels), np.asarray(classes)
        if pixels.dtype != np.uint8 or pixels.shape[1:] != _SHAPE or not len(pixels):
            raise BadInput(
                f"{source}: images are uint8 of shape (N, 3, 32, 32), N > 0; got {pixels.dtype} {pixels.shape}"
            )
        if classes.shape != (len(pixels),) or classes.dtype.kind not in "iu":
            raise BadInput(f"{source}: expected {len(pixels)} integer classes, got {classes.dtype} {classes.shape}")
        if classes.min() < 0 or classes.max() > 9:
            raise BadInput(f"{source}: classes run from 0 to 9, got {classes.min()} to {classes.max()}")
        return cls(pixels, classes.astype(np.int64))


def read_cifar10(path: Path) -> tuple[LabelledPixels, LabelledPixels]:
    """Training and test images from `path`: an .npz, cifar-10-{python,binary}.tar.gz, or what such an archive holds.

    Archives are read in memory and nothing is unpacked to disk. Python batches are pickles; they
    are read by an unpickler that can build numpy arrays and plain containers and nothing else.

    Raises `BadInput` where `path` is none of these or its arrays are of another kind, `CorruptFile`
    where it is truncated, damaged or incomplete.
    """
    if path.is_dir():
        return _from_batches(_folder_members(path), path)
    if not path.is_file():
        raise BadInput(f"{path}: no such file or folder; CIFAR-10 data is {_FORMS}")
    if path.suffix == ".bin":
        return _from_batches(_folder_members(path.parent), path.parent)
    if path.suffix == ".npz":
        return _from_npz(path)
    if path.name.endswith((".tar.gz", ".tgz", ".tar")):
        return _from_batches(_archive_members(path), path)
    raise BadInput(f"{path}: CIFAR-10 data is {_FORMS}")


def _from_npz(path: Path) -> tuple[LabelledPixels, LabelledPixels]:
    names = ("train_x", "train_y", "test_x", "test_y")
    try:
        with np.load(path, allow_pickle=False) as file:
            absent = [name for name in names if name not in file]
            arrays = {} if absent else {name: file[name] for name in names}
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, NotImplementedError) as error:
        raise CorruptFile(f"{path}: cannot be read as a whole .npz of plain arrays ({error})") from error
    if absent:
        raise BadInput(f"{path}: has no array {absent[0]!r}; it takes {', '.join(names)}")
    train = LabelledPixels.checked(arrays["train_x"], arrays["train_y"], f"{path}: train_x, train_y")
    test = LabelledPixels.checked(arrays["test_x"], arrays["test_y"], f"{path}: test_x, test_y")
    return train, test


def _folder_members(folder: Path) -> dict[str, bytes]:
    """Contents of the batch files in `folder`, or in the one folder that the archives have inside."""
    for place in (folder, folder / "cifar-10-batches-py", folder / "cifar-10-batches-bin"):
        try:
            members = {p.name: p.read_bytes() for p in place.glob("*_batch*") if p.is_file()}
        except OSError as error:
            raise BadInput(f"{error.filename}: cannot be read ({error.strerror})") from None
        if members:
            return members
    raise BadInput(f"{folder}: holds no data_batch_1; CIFAR-10 data is {_FORMS}")


def _archive_members(path: Path) -> dict[str, bytes]:
    """Contents of the batch files in a tar archive, by their last name."""
    members = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                file = archive.extractfile(member) if member.isfile() and "_batch" in name else None
                if file is not None:
                    members[name] = file.read()
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise CorruptFile(f"{path}: the archive is truncated or damaged ({error}); fetch it again") from error
    return members


def _from_batches(members: Mapping[str, bytes], path: Path) -> tuple[LabelledPixels, LabelledPixels]:
    suffix = ".bin" if f"{_TEST}.bin" in members or f"{_TRAIN[0]}.bin" in members else ""
    read = _binary_batch if suffix else _python_batch
    batches = {}
    for name in (*_TRAIN, _TEST):
        if name + suffix not in members:
            raise CorruptFile(f"{path}: {name}{suffix} is missing, so it is not the whole of CIFAR-10; fetch it again")
        batches[name] = read(members[name + suffix], f"{path}: {name}{suffix}")
    train = LabelledPixels(
        np.concatenate([batches[name].pixels for name in _TRAIN]),
        np.concatenate([batches[name].classes for name in _TRAIN]),
    )
    return train, batches[_TEST]


def _binary_batch(content: bytes, source: str) -> LabelledPixels:
    """Records of one class byte and 3,072 pixels."""
    if not content or len(content) % (1 + _BYTES):
        raise CorruptFile(f"{source}: its length is {len(content)} bytes, not a multiple of {1 + _BYTES}")
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, 1 + _BYTES)
    return LabelledPixels.checked(records[:, 1:].reshape(-1, *_SHAPE).copy(), records[:, 0], source)


def _python_batch(content: bytes, source: str) -> LabelledPixels:
    """A pickled dict with `data`, bytes (N, 3072), and `labels`, a list of N integers."""
    try:
        batch = _ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a damaged pickle raises almost anything
        raise CorruptFile(f"{source}: not a batch of plain arrays ({error})") from error
    # Python 2 wrote the keys as bytes, later writers as text.
    items = batch.items() if isinstance(batch, dict) else ()
    fields = {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in items}
    if not {"data", "labels"} <= fields.keys():
        raise CorruptFile(f"{source}: not a dict with data and labels")
    pixels = np.asarray(fields["data"])
    if pixels.ndim != 2 or pixels.shape[1] != _BYTES:
        raise CorruptFile(f"{source}: data has the shape (N, {_BYTES}), got {pixels.shape}")
    return LabelledPixels.checked(pixels.reshape(-1, *_SHAPE), fields["labels"], source)


def _latin1(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes that Python 2 can read: `_codecs.encode(text, "latin1")`."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding}, which is refused")
    return text.encode("latin1")


# An empty array's own constructor: numpy 1 and numpy 2 keep it under different names.
_RECONSTRUCT: Any = np.empty(0).__reduce__()[0]
_ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("_codecs", "encode"): _latin1,
}


class _ArrayUnpickler(pickle.Unpickler):
    """Builds numpy arrays and plain containers, and refuses every other name, so that no foreign code runs."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is refused")
        return _ALLOWED[module, name]
