from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from autoprune.errors import BadInput, CorruptFile
from autoprune.evaluation.imagefolder import imagefolder
from autoprune.evaluation.splits import draw_splits
from autoprune.spec import TaskSpec

_ZEROS, _ONES = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
_COLOURS = {"blue": (0, 0, 255), "red": (255, 0, 0)}


def _write(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (12, 20)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four training and two test images of each colour, in several formats."""
    for name, colour in _COLOURS.items():
        for i, suffix in enumerate(("png", "jpg", "JPEG", "bmp")):
            _write(tmp_path / "train" / name / f"{i}.{suffix}", colour)
        for i in range(2):
            _write(tmp_path / "test" / name / f"{i}.png", colour)
    (tmp_path / "train" / "red" / "notes.txt").write_text("not an image")
    (tmp_path / "train" / ".cache").mkdir()
    return tmp_path


def test_classes_are_the_folders_in_alphabetic_order(folder: Path) -> None:
    task = imagefolder(folder, resize=10, crop=8, mean=_ZEROS, std=_ONES)
    assert task.num_classes == 2
    assert task.input_shape == (3, 8, 8)
    assert (len(task.train), len(task.test)) == (8, 4)
    inputs, targets = task.train.batch(torch.tensor([0, 7]))
    assert targets.tolist() == [0, 1]
    assert inputs.shape == (2, 3, 8, 8)
    # JPEG may be off by a little.
    torch.testing.assert_close(inputs.mean(dim=(2, 3)), torch.tensor([[0.0, 0, 1], [1, 0, 0]]), atol=0.02, rtol=0)


def test_the_shorter_side_is_scaled_and_the_centre_cut_out(tmp_path: Path) -> None:
    """Of an image 40 wide and 20 high with a white middle of 20 by 20, exactly the middle is left."""
    pixels = np.zeros((20, 40, 3), dtype=np.uint8)
    pixels[:, 10:30] = 255
    for part in ("train", "val"):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            Image.fromarray(pixels).save(tmp_path / part / name / "0.png")
    task = imagefolder(tmp_path, resize=10, crop=8, mean=_ZEROS, std=_ONES)
    inputs, _ = task.test.batch(torch.tensor([0]))
    torch.testing.assert_close(inputs, torch.ones(1, 3, 8, 8))


def test_grey_images_have_one_channel(folder: Path) -> None:
    task = imagefolder(folder, resize=8, crop=8, mean=[0.0], std=[1.0])
    inputs, _ = task.train.batch(torch.tensor([7]))
    assert inputs.shape == (1, 1, 8, 8)
    assert float(inputs.mean()) == pytest.approx(0.299, abs=0.01)  # the share of red in luma, ITU-R 601


def test_splits_can_be_drawn_from_it(folder: Path) -> None:
    task = imagefolder(folder, resize=8, crop=8)
    splits = draw_splits(task, TaskSpec(name="imagefolder", calibration=6, validation=4, selection=4), seed=0)
    assert splits.validation.inputs.shape == (4, 3, 8, 8)
    assert len(splits.train) == 4


@pytest.mark.parametrize("damage", ["truncated", "text", "empty"])
def test_a_damaged_image_is_named(folder: Path, damage: str) -> None:
    path = folder / "train" / "blue" / "0.png"
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[: len(whole) // 2], "text": b"hello", "empty": b""}[damage])
    task = imagefolder(folder, resize=8, crop=8)
    with pytest.raises(CorruptFile, match=r"blue/0\.png"):
        task.train.batch(torch.tensor([0]))


def test_missing_folders_and_classes_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="absent/train: no such folder"):
        imagefolder(tmp_path / "absent")
    _write(folder / "test" / "green" / "0.png", (0, 255, 0))
    with pytest.raises(BadInput, match="class 'green' is not among the 2 classes"):
        imagefolder(folder)


def test_a_data_set_without_classes_or_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(BadInput, match="no class folders"):
        imagefolder(tmp_path)
    for part in ("train", "test"):
        (tmp_path / part / "only").mkdir(parents=True)
    with pytest.raises(BadInput, match="at least 2 classes"):
        imagefolder(tmp_path)
    for part in ("train", "test"):
        (tmp_path / part / "other").mkdir()
    with pytest.raises(BadInput, match="no training images"):
        imagefolder(tmp_path)


@pytest.mark.parametrize("options", [{"resize": 8, "crop": 9}, {"crop": 0}, {"mean": [0.5, 0.5], "std": [1.0, 1.0]}])
def test_impossible_options_are_refused(folder: Path, options: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        imagefolder(folder, **options)  # type: ignore[arg-type]
