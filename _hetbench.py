"""Where the command `hetbench` starts: it loads `bench` from beside this file, wherever that is.

Left to Python, a user's own folder `bench` on PYTHONPATH would come before the installed one.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path


def main() -> None:
    """Entry point of the command. Ctrl-C while it loads ends it at once, with nothing to say."""
    interrupted = signal.getsignal(signal.SIGINT)
    ours = interrupted is signal.default_int_handler  # not in a shell's background job
    if ours:
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))
    spec = spec_from_file_location("bench", Path(__file__).with_name("bench") / "__init__.py")
    if spec is None or spec.loader is None:
        sys.exit(
            f"hetbench: the package bench is missing beside {__file__}; install hetbench again"
        )
    bench = sys.modules["bench"] = module_from_spec(spec)
    spec.loader.exec_module(bench)

    from bench.cli import main as command

    if ours:
        signal.signal(signal.SIGINT, interrupted)
    command()
