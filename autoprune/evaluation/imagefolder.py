"""The `imagefolder` task: one folder a class, images decoded when they are read."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from autoprune.errors import BadInput, CorruptFile
from autoprune.evaluation.cifar10 import AUGMENT, DISTURB
from autoprune.evaluation.images import Normalisation
from autoprune.evaluation.task import Task

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True, eq=False)
class FolderSet:
    """Image files with their classes; each is scaled until its shorter side is `resize`, then its centre cut out."""

    files: tuple[Path, ...]
    targets: Tensor
    resize: int
    crop: int
    normalise: Normalisation

    def __post_init__(self) -> None:
        if not 1 <= self.crop <= self.resize:
            raise BadInput(f"1 <= crop <= resize is needed, got crop {self.crop} and resize {self.resize}")

    def __len__(self) -> int:
        return len(self.files)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """See `ImageSet.batch`; raises `CorruptFile` for a file that is no whole image."""
        with ThreadPoolExecutor() as pool:  # decoding lets other threads run
            pixels = list(pool.map(self._read, (self.files[i] for i in indices.tolist())))
        return self.normalise(torch.from_numpy(np.stack(pixels))), self.targets[indices]

    def _read(self, path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        """Bytes (C, crop, crop) of one image."""
        try:
            with Image.open(path) as image:
                whole = image.convert("L" if len(self.normalise.mean) == 1 else "RGB")
        except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
            raise CorruptFile(f"{path}: not a whole image ({error}); mend or remove it") from error
        scale = self.resize / min(whole.size)
        width, height = (max(self.resize, round(side * scale)) for side in whole.size)
        left, top = (width - self.crop) // 2, (height - self.crop) // 2
        scaled = whole.resize((width, height), Image.Resampling.BILINEAR)
        pixels = np.asarray(scaled.crop((left, top, left + self.crop, top + self.crop)))
        return pixels.reshape(self.crop, self.crop, -1).transpose(2, 0, 1)


def imagefolder(
    data: Path,
    resize: int = 256,
    crop: int = 224,
    mean: Sequence[float] = _IMAGENET_MEAN,
    std: Sequence[float] = _IMAGENET_STD,
    holdout: bool = False,
) -> Task:
    """Images in `data`/train/CLASS/ and `data`/test/CLASS/ (or val/ where there is no test/).

    Classes are numbered in the alphabetic order of the folders in train/. Inputs are
    (C, crop, crop), C = 1 (grey) or 3 (red, green, blue) as `mean` and `std` have numbers, which are
    on the scale where white is 1. A network is expected to come trained on these training images,
    so those that score policies are disturbed; `holdout` tells instead that it was trained on
    `Splits.train` of this task alone. Splits are kept decoded: 600 kB an image at the default crop.

    Raises `BadInput` where folders, classes or images are missing; reading an image can raise `CorruptFile`.
    """
    if len(mean) not in (1, 3):
        raise BadInput(f"mean and std have 1 number (grey) or 3 (red, green, blue), got {mean}")
    normalise = Normalisation(tuple(mean), tuple(std))
    classes = _classes(data / "train")
    test = data / "test" if (data / "test").is_dir() else data / "val"
    unknown = sorted(set(_classes(test)) - set(classes))
    if unknown:
        raise BadInput(f"{test}: class {unknown[0]!r} is not among the {len(classes)} classes of {data / 'train'}")
    return Task(
        name="imagefolder",
        num_classes=len(classes),
        input_shape=(len(mean), crop, crop),
        train=_folder_set(data / "train", classes, resize, crop, normalise),
        test=_folder_set(test, classes, resize, crop, normalise),
        augment=AUGMENT,
        disturb=DISTURB,
        holdout=holdout,
    )


def _classes(folder: Path) -> list[str]:
    """Names of the class folders in `folder`, in alphabetic order."""
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder; images lie in DATA/train/CLASS/ and DATA/test/CLASS/ (or DATA/val/)")
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not names:
        raise BadInput(f"{folder}: holds no class folders; images lie in {folder}/CLASS/")
    return names


def _folder_set(folder: Path, classes: list[str], resize: int, crop: int, normalise: Normalisation) -> FolderSet:
    files, targets = [], []
    for number, name in enumerate(classes):
        found = sorted(p for p in (folder / name).glob("*") if p.suffix.lower() in _SUFFIXES and p.is_file())
        files += found
        targets += [number] * len(found)
    return FolderSet(tuple(files), torch.tensor(targets, dtype=torch.int64), resize, crop, normalise)
