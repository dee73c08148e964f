"""What a kit does first, as its `__main__.py`: says what is missing before anything is imported that needs it.

Written for any Python 3, so that an old one can say that it is too old.
"""

import os
import sys
import zipfile
import zlib


def start() -> int:
    """Check Python, the kit's own bytes and the two packages it needs, then hand over to the profiler."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is the one that older versions run
        return _refuse("this kit needs Python 3.11 or later, this is " + sys.version.split()[0])
    damaged = _damaged(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    if damaged:
        return _refuse("the kit is damaged (" + damaged + "); copy it here again")
    try:
        import numpy  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        return _refuse(str(error) + "; the kit needs two packages: python -m pip install numpy onnxruntime")
    from autoprune.profiler.kit.command import main

    return main(sys.argv)


def _damaged(kit: str) -> str:
    """The first file in the kit that does not match its checksum, or why none can be checked; empty if all do."""
    try:
        with zipfile.ZipFile(kit) as archive:
            return archive.testzip() or ""
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        return str(error)


def _refuse(reason: str) -> int:
    print("error: " + reason, file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(start())
    except KeyboardInterrupt:
        sys.exit(130)
