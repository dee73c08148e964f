from __future__ import annotations

from pathlib import Path

import pytest

from autoprune import data_files
from autoprune.data_files import data_folder
from autoprune.errors import AutopruneError


def test_a_checkout_has_them_beside_the_package() -> None:
    assert data_folder("agents") == Path(__file__).resolve().parents[1] / "agents"


def test_a_wheels_own_folder_comes_before_a_strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, strange = tmp_path / "autoprune" / "_data" / "agents", tmp_path / "agents"
    own.mkdir(parents=True)
    strange.mkdir()
    monkeypatch.setattr(data_files, "_PACKAGE", tmp_path / "autoprune")
    assert data_folder("agents") == own


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(AutopruneError, match="'nowhere'"):
        data_folder("nowhere")
