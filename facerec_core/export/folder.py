"""The exported folder: its files put together, their hashes, and how it comes to be all at once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from string import Template
from typing import Any

from facerec_core.device import library_files
from facerec_core.errors import StorageError
from facerec_core.export.golden import Golden, golden_record, pictures
from facerec_core.export.golden_c import golden_files
from facerec_core.export.network import NetworkFacts, network_files
from facerec_core.export.operators import resolver_header
from facerec_core.stages import write_file

TEMPLATES = Path(__file__).parent / "templates"
MANIFEST, SUMS, CARD = "manifest.json", "SHA256SUMS", "model_card.json"
MODEL = "network/facerec_model.tflite"
MANIFEST_FORMAT = "facerec export 1"
_PLACES = {
    "CMakeLists.txt": "CMakeLists.txt",
    "arm-none-eabi.cmake": "arm-none-eabi.cmake",
    "mps2.c": "emulator/mps2.c",
    "mps2.ld": "emulator/mps2.ld",
    "facerec_self_test.h": "self_test/facerec_self_test.h",
    "facerec_self_test.c": "self_test/facerec_self_test.c",
    "self_test_main.c": "self_test/self_test_main.c",
    "self_test_tflm.cc": "self_test/self_test_tflm.cc",
    "facerec_interpreter.h": "example/facerec_interpreter.h",
    "facerec_interpreter.cc": "example/facerec_interpreter.cc",
    "board.h": "example/board.h",
    "main.cc": "example/main.cc",
}
_VELA_ROW = "\n| `ethos_u/` | the network compiled by Vela, and what Vela says of it |"

Files = Mapping[str, bytes]
"""Contents by path relative to the folder."""


def source_files(facts: NetworkFacts, content: bytes, golden: Golden) -> dict[str, bytes]:
    """Everything that is compiled, and the golden vectors.

    Args:
        facts: of the network.
        content: its .tflite file.
        golden: what the self-test compares.
    """
    network = network_files(facts, content) | {"facerec_operators.h": resolver_header(facts.operators).encode()}
    vectors = golden_files(golden) | pictures(golden.probes)
    vectors |= {"gallery.fpdb": golden.gallery_file, "golden.json": to_json(golden_record(golden))}
    return {
        **{place: (TEMPLATES / name).read_bytes() for name, place in _PLACES.items()},
        **_inside("library", library_files()),
        **_inside("network", network),
        **_inside("golden", vectors),
    }


def _inside(folder: str, files: Files) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for name, content in files.items()}


def readme(title: str, facts: NetworkFacts, *, with_vela: bool) -> bytes:
    """README.md of the folder."""
    text = Template((TEMPLATES / "README.md").read_text(encoding="utf-8")).substitute(
        title=title,
        side=facts.side,
        dimension=facts.dimension,
        arena_bytes=f"{facts.arena.bytes:,}",
        device_bytes=f"{facts.arena.device:,}",
        vela_row=_VELA_ROW if with_vela else "",
    )
    return text.encode()


def to_json(value: object) -> bytes:
    """Strict JSON with a line end."""
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def manifest(files: Files, facts: Mapping[str, Any]) -> bytes:
    """What the folder holds, with size and SHA-256 of every other file, and `facts` on how it came to be."""
    listed = [
        {"path": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sorted(files.items())
    ]
    return to_json({"format": MANIFEST_FORMAT, **facts, "files": listed})


def sums(files: Files) -> bytes:
    """The hashes as `sha256sum -c` reads them."""
    lines = (f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    return "".join(lines).encode()


def write_files(folder: Path, files: Files) -> None:
    """Write files below a folder.

    Raises:
        OSError: it cannot be written.
    """
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `folder` that takes its place when the block ends without an error.

    What was there before stays until then, and stays if the block fails.

    Raises:
        StorageError: the folder cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise _not_written(folder, error) from error
    try:
        yield temporary
        _replace(folder, temporary)
    except OSError as error:
        raise _not_written(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(folder: Path, temporary: Path) -> None:
    """Give the folder its name; what had it before is moved aside, and back should that fail."""
    before = temporary.with_name(f"{temporary.name}-before")
    _moved(folder, before)
    try:
        temporary.rename(folder)
    except OSError:
        _moved(before, folder)
        raise
    shutil.rmtree(before, ignore_errors=True)


def _moved(source: Path, target: Path) -> None:
    if os.path.lexists(source):
        source.rename(target)


def _not_written(folder: Path, error: OSError) -> StorageError:
    return StorageError(f"--out: cannot write {folder}: {error.strerror or error}; name another folder with --out")


def sealed(files: Files, facts: Mapping[str, Any]) -> dict[str, bytes]:
    """The files with their manifest and hashes; see `manifest`."""
    whole = {**files, MANIFEST: manifest(files, facts)}
    return {**whole, SUMS: sums(whole)}
