"""Files from outside: what is whole and of its kind can be used, whatever else it is leaves no trace."""

from __future__ import annotations

import gzip
import os
import pickle
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from running_service import Running, spec
from safetensors.torch import save
from table_example import example_table
from tiny import tiny_net

from autoprune.client import Client, ServiceProblem
from autoprune.service.settings import Settings
from autoprune.service.state import Service


class Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("/tmp/a-pickle-was-read"),))


def network(external: bool = False) -> bytes:
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2], np.ones(2, np.float32))
    if external:
        weight.ClearField("float_data")
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value="../../../etc/passwd")
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    got = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [given], [got], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


WEIGHTS = save(tiny_net().state_dict())
GARBAGE = {
    "nothing": b"",
    "noise": bytes(range(256)) * 10,
    "a pickle": pickle.dumps(Payload()),
    "half a file": WEIGHTS[: len(WEIGHTS) // 2],
    "a header of 2^60 bytes": (1 << 60).to_bytes(8, "little") + b"{}",
    "deep JSON": b"[" * 20_000,
    "a bomb": gzip.compress(b"0" * 300_000_000, 9)[:150_000],
    "a network whose tensors lie elsewhere": network(external=True),
}


@pytest.mark.parametrize("kind", ["weights", "table", "network"])
@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_refused_in_a_line_and_leaves_nothing(service: Running, kind: str, name: str) -> None:
    before = set((service.data / "uploads").iterdir())
    answer = httpx.post(f"{service.url}/v1/uploads", params={"kind": kind}, content=GARBAGE[name], timeout=60)
    assert answer.status_code == 422, answer.text
    assert "\n" not in answer.json()["error"]
    assert str(service.data) not in answer.text
    assert set((service.data / "uploads").iterdir()) == before
    assert not Path("/tmp/a-pickle-was-read").exists()


def test_a_file_that_is_too_long_is_cut_off(service: Running) -> None:
    def endless() -> Any:
        for _ in range(300):
            yield bytes(1000)

    answers = [
        httpx.post(f"{service.url}/v1/uploads", params={"kind": "weights"}, content=content, timeout=60)
        for content in (bytes(300_000), endless())
    ]
    assert [answer.status_code for answer in answers] == [413, 413]
    assert not list((service.data / "uploads").glob(".*"))


def test_a_request_that_is_too_long_is_refused(service: Running) -> None:
    body = {**spec().model_dump(mode="json"), "name": "x" * 3_000_000}
    assert httpx.post(f"{service.url}/v1/jobs", json=body).status_code == 413


def test_what_is_whole_is_kept_and_can_be_deleted(client: Client, tmp_path: Path) -> None:
    files = {"weights": WEIGHTS, "network": network()}
    for kind, content in files.items():
        path = tmp_path / kind
        path.write_bytes(content)
        made = client.upload(path, kind)  # type: ignore[arg-type]
        assert (made.kind, made.bytes) == (kind, len(content))
        assert made in client.uploads()
        client.delete_upload(made.id)
        assert made not in client.uploads()
    onnx.checker.check_model(onnx.load_from_string(files["network"]))


def test_a_job_prunes_the_network_whose_weights_were_uploaded(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(WEIGHTS)
    upload = client.upload(path, "weights").id
    job = client.wait(client.submit(spec(model={"weights": upload})).id)
    assert job.state == "done", job.error


def test_an_uploaded_table_is_listed_and_shown(service: Running, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    example_table().save(path)
    upload = client.upload(path, "table").id
    assert upload in [held.name for held in client.tables()]
    assert httpx.get(f"{service.url}/v1/tables/{upload}").json()["kernels"] == len(example_table().rows)
    with pytest.raises(ServiceProblem, match="this takes weights"):
        client.submit(spec(model={"weights": upload}))


def test_what_a_killed_server_left_of_an_upload_is_removed_the_next_day(tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    old, new, whole = (uploads / name for name in (".up_a.part", ".up_b.part", "up_c"))
    for path in (old, new, whole):
        path.write_bytes(b"")
    for path in (old, whole):
        os.utime(path, (0, 0))
    service = Service.of(Settings(data=tmp_path))
    service.client.destroy()
    assert set(uploads.iterdir()) == {new, whole}
