from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from autoprune.errors import BadInput
from autoprune.models import builtin_models, fingerprint, load_model
from autoprune.spec import ModelSpec

_USER_CODE = """
import torch
from torch import nn

def network(width=4):
    return nn.Sequential(nn.Flatten(), nn.Linear(12, width))

def with_classes(num_classes):
    return nn.Linear(3, num_classes)

def wrong_type():
    return "a network"

def broken():
    raise KeyError("oops")

constant = 3
"""


@pytest.fixture
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder that holds the module `usernets`; the import system forgets both afterwards."""
    (tmp_path / "usernets.py").write_text(_USER_CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(Path.cwd()))])
    monkeypatch.delitem(sys.modules, "usernets", raising=False)
    return tmp_path


@pytest.mark.parametrize("name", builtin_models())
def test_builtin_networks_come_in_eval_mode_with_the_classes_asked_for(name: str) -> None:
    network = load_model(ModelSpec(name=name), num_classes=7)
    assert not any(module.training for module in network.modules())
    shape = (1, 1, 8, 8) if name == "digits_cnn" else (1, 3, 32, 32)
    with torch.inference_mode():
        assert network(torch.zeros(shape)).shape == (1, 7)


def test_the_seed_draws_the_weights_and_the_global_state_stays() -> None:
    spec = ModelSpec(name="digits_cnn", options={"widths": [4, 4, 8]})
    before = torch.random.get_rng_state()
    first, again, other = (fingerprint(load_model(spec, seed=seed)) for seed in (3, 3, 4))
    assert first == again != other
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_specs_weights_are_loaded_and_its_options_win(tmp_path: Path) -> None:
    options = {"widths": (4, 4, 8), "num_classes": 5}
    source = load_model(ModelSpec(name="digits_cnn", options=options), seed=1)
    save_file(source.state_dict(), tmp_path / "net.safetensors")
    spec = ModelSpec(name="digits_cnn", options=options, weights=tmp_path / "net.safetensors")
    assert fingerprint(load_model(spec, num_classes=10)) == fingerprint(source)


def test_a_function_of_the_current_folder(user_folder: Path) -> None:
    assert (user_folder / "usernets.py").is_file()
    network = load_model(ModelSpec(name="usernets:network", options={"width": 6}), num_classes=10)
    assert network(torch.zeros(1, 3, 2, 2)).shape == (1, 6)
    narrow = load_model(ModelSpec(name="usernets:with_classes"), num_classes=2)
    assert isinstance(narrow, nn.Linear)
    assert narrow.out_features == 2


@pytest.mark.usefixtures("user_folder")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("usernets:absent", "module usernets has no 'absent'"),
        ("usernets:constant", "not a function but of type int"),
        ("usernets:wrong_type", "returned a str, not a torch.nn.Module"),
        ("usernets:broken", r"usernets:broken\(\) failed: KeyError"),
        ("no_such_module:f", "no module 'no_such_module'"),
        ("usernets.inner:f", "no module|could not be imported"),
        ("os.path;rm:f", "reads module:function"),
        ("usernets:", "reads module:function"),
    ],
)
def test_references_that_do_not_work_say_why(name: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load_model(ModelSpec(name=name))


@pytest.mark.parametrize(
    ("code", "message"),
    [("def f(:", "SyntaxError"), ("1 / 0", "ZeroDivisionError"), ("import nowhere_to_be", "nowhere")],
)
def test_a_module_that_does_not_import_says_why(user_folder: Path, code: str, message: str) -> None:
    (user_folder / f"bad_{message.lower()}.py").write_text(code)
    with pytest.raises(BadInput, match=message):
        load_model(ModelSpec(name=f"bad_{message.lower()}:f"))


def test_wrong_options_are_bad_input() -> None:
    with pytest.raises(BadInput, match=r"resnet20\(depth=3\) failed"):
        load_model(ModelSpec(name="resnet20", options={"depth": 3}))


def test_an_unknown_name_brings_the_nearest_ones() -> None:
    with pytest.raises(BadInput, match=r"unknown model 'resnet57'; did you mean .*resnet56"):
        load_model(ModelSpec(name="resnet57"))


class TestVisionLibraries:
    """Networks of torchvision and timm; skipped where they are not installed."""

    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("torchvision")
        pytest.importorskip("timm")

    def test_a_plain_name_is_torchvisions_first_and_a_prefix_chooses(self) -> None:
        plain, first, second = (
            load_model(ModelSpec(name=name), num_classes=3)
            for name in ("resnet18", "torchvision/resnet18", "timm/resnet18")
        )
        assert type(plain) is type(first)
        assert type(first).__module__.startswith("torchvision.")
        assert type(second).__module__.startswith("timm.")
        for network in (plain, first, second):
            assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 3)

    def test_timm_has_names_that_torchvision_lacks(self) -> None:
        network = load_model(ModelSpec(name="resnet10t"), num_classes=3)
        assert type(network).__module__.startswith("timm.")

    def test_googlenet_gives_one_output_while_training(self) -> None:
        network = load_model(ModelSpec(name="googlenet"), num_classes=3).train()
        assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 3)

    @pytest.mark.parametrize("name", ["torchvision/resnet18", "timm/resnet18"])
    @pytest.mark.parametrize("option", ["weights", "pretrained", "checkpoint_path"])
    def test_options_that_would_download_are_refused(self, name: str, option: str) -> None:
        with pytest.raises(BadInput, match=r"save the weights once as \.safetensors"):
            load_model(ModelSpec(name=name, options={option: "DEFAULT"}))

    @pytest.mark.parametrize("name", ["timm/no_such_net", "torchvision/no_such_net", "hf_hub/some/net", "local-dir"])
    def test_names_that_neither_has(self, name: str) -> None:
        with pytest.raises(BadInput, match="unknown model"):
            load_model(ModelSpec(name=name))


def test_libraries_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("torchvision", "timm"):
        for module in [m for m in sys.modules if m.partition(".")[0] == library]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(BadInput, match=r"(?s)unknown model 'resnet18'.*torchvision.*timm.*autoprune\[vision\]"):
        load_model(ModelSpec(name="resnet18"))
    assert isinstance(load_model(ModelSpec(name="resnet20")), nn.Module)


def test_a_compiled_part_that_does_not_fit_is_no_traceback(tmp_path: Path) -> None:
    """torchvision beside another build of torch fails with a RuntimeError when it is imported."""
    for library in ("torchvision", "timm"):
        (tmp_path / f"{library}.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    code = (
        "from autoprune.errors import BadInput\nfrom autoprune.models import load_model\n"
        "from autoprune.spec import ModelSpec\n"
        "try:\n    load_model(ModelSpec(name='resnet18'))\nexcept BadInput as error:\n    print(error)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(root)!r}]\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "torchvision::nms does not exist" in done.stdout
    assert "pip install autoprune[vision]" in done.stdout
