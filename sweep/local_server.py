"""What servers of this machine have in common: their address, a port that is free, and an end by Ctrl-C."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from facerec_core.errors import require

HOST = "127.0.0.1"


def check_port(port: int) -> None:
    """Raise OptionError unless the port can be taken on this machine."""
    hint = "choose another with --port"
    require(1 <= port <= 65535, "--port", port, "1 to 65535", hint)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            require(False, "--port", port, f"a free port of {HOST} ({error.strerror})", hint)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM both raise KeyboardInterrupt, even where a shell started us with Ctrl-C ignored."""
    stops = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(stop, signal.default_int_handler) for stop in stops]
    try:
        yield
    finally:
        for stop, handler in zip(stops, before, strict=True):
            signal.signal(stop, handler)
