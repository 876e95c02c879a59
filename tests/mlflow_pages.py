"""MLflow's interface as `python -m sweep ui` starts it, for what opens its pages in a browser."""

import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from selenium.webdriver import Chrome

from tests.browser import chromium
from tests.cli import SWEEP, environment

# On a first visit MLflow opens a panel for questions to a language model, which takes a quarter of the page.
NO_ASSISTANT = {
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
    "mlflow.assistant.panelOpen_v1": "false",
}


@contextmanager
def interface(folder: Path) -> Iterator[dict[str, str]]:
    """The addresses that `python -m sweep ui` prints, by their names, while it runs where `mlruns` is in `folder`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [*SWEEP, "ui", "--port", port]
    process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        yield dict(_printed(process.stdout or ()))
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _printed(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if line.startswith("Press Ctrl-C"):
            return
        name, _, address = line.strip().partition(": ")
        if "http" in address:
            yield name, address.strip()
    raise AssertionError("the interface ended before it had printed its addresses")


def base_of(views: dict[str, str]) -> str:
    """Scheme, host and port of the interface."""
    address = urlsplit(views["All sweeps"])
    return f"{address.scheme}://{address.netloc}"


@contextmanager
def visitor(base: str) -> Iterator[Chrome]:
    """A browser that has been at the interface before."""
    with chromium(1200, 900) as browser:
        browser.get(f"{base}/health")  # only to be where the interface keeps what it remembers
        for key, value in NO_ASSISTANT.items():
            browser.execute_script("localStorage.setItem(arguments[0], arguments[1])", key, value)
        yield browser
