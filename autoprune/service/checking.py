"""Looks through an uploaded file before anybody uses it, in a process of its own that may take little and ends soon.

`python -m autoprune.service.checking KIND FILE` answers with exit code 0, or 2 and a line on stderr.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

from autoprune.client.documents import UploadKind
from autoprune.errors import BadInput

_SECONDS = 120
_BYTES = 8 << 30
_LINE = 300


def check(kind: UploadKind, path: Path) -> None:
    """Raise `BadInput` where the file at `path` is not whole, or not of its kind."""
    command = [sys.executable, "-m", "autoprune.service.checking", kind, str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise BadInput(f"the file could not be checked within {_SECONDS} s; upload a smaller one") from None
    if done.returncode:
        said = done.stderr.strip().splitlines()
        reason = said[-1][:_LINE] if said and done.returncode == 2 else "it cannot be read as such"
        raise BadInput(f"the file is no {_NOUNS[kind]}: {reason}")


_NOUNS: dict[UploadKind, str] = {
    "weights": "safetensors file",
    "table": "latency table",
    "network": "ONNX network",
}


def _weights(path: Path) -> None:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        names = list(file.keys())
    if not names:
        raise ValueError("it holds no tensor")


def _table(path: Path) -> None:
    from autoprune.tables.reading import read_table

    read_table(path)


def _network(path: Path) -> None:
    import onnx

    model = onnx.load(path, load_external_data=False)
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise ValueError("its tensors lie in other files; save it as one")
    onnx.checker.check_model(model)


_CHECKS = {"weights": _weights, "table": _table, "network": _network}


def _main(kind: str, path: Path) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    try:
        _CHECKS[kind](path)
    except Exception as error:
        first = str(error).partition("\n")[0].replace(f"{path}: ", "")
        print(json.dumps(first, ensure_ascii=True).strip('"'), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(_main(sys.argv[1], Path(sys.argv[2])))
