"""The verb `studio`: a page of this machine to enrol and recognise people on, with each variant of a candidate."""

from __future__ import annotations

import sys
from argparse import Namespace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from facerec_core.errors import OptionError
from sweep.local_server import HOST, check_port

if TYPE_CHECKING:
    from sweep.compose import Composer

EXTRA = "pip install 'facerec-sweep[studio]'"


def run(flags: Namespace, composer: Composer, command: str) -> int:
    """Serve the page until Ctrl-C (or SIGTERM), and return the exit status.

    Raises:
        OptionError: the framework is not installed, or the port is taken.
        UsageError: no such network, or galleries of another one.
    """
    if find_spec("nicegui") is None:
        raise OptionError("studio", "a Python without NiceGUI", "one with it", EXTRA)
    check_port(flags.port)
    from sweep.studio.opening import open_desk

    desk = open_desk(flags, composer, command)
    from sweep.studio.server import serve

    lines = (f"{desk.title}: http://{HOST}:{flags.port}", f"Galleries: {desk.folder}", "Press Ctrl-C to stop.")
    serve(desk, flags.port, lambda: _say(*lines))
    _say("Stopped.")
    return 0


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join([*lines, ""]))
    sys.stdout.flush()
