"""Whatever the schema allows may be asked, and much that it does not: no answer is the server's failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from running_service import Running


def test_no_request_makes_the_server_fail(tmp_path: Path) -> None:
    settings = {"workers": 0, "limits": {"requests_per_second": 10_000, "burst": 100_000, "waiting_jobs": 20}}
    service = Running(tmp_path, settings)
    service.start(ready=False)
    try:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json"),
                *("--checks", "not_a_server_error", "--max-examples", "15", "--phases", "examples,coverage,fuzzing"),
                *("--exclude-path", "/v1/health"),  # without a worker it answers 503, as it should
                *("--seed", "0", "--generation-deterministic", "--no-color"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        service.stop()
    assert done.returncode == 0, done.stdout[-4000:] + service.log()[-2000:]
