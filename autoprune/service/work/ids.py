"""Names of worker processes."""

from __future__ import annotations

import os
import secrets
import socket


def new_worker_id() -> str:
    """A name that no other worker has: the machine's, the number of the process that gave it, and chance."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
