"""The exported folder built for a Cortex-M with its own CMakeLists, and its self-test run on an emulated one."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facerec_core.export.folder import source_files, write_files
from facerec_core.export.golden import make_golden
from facerec_core.export.golden_faces import rendered_faces
from facerec_core.export.host_build import CORES, library_sizes
from tests.device_program import cmake
from tests.galleries import empty
from tests.unit.test_export_sources import FACTS

CROSS = shutil.which("arm-none-eabi-gcc")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CROSS and shutil.which("cmake")), reason="no arm-none-eabi-gcc or no cmake here"),
]
CONTENT = b"TFL3, as far as a library is concerned"


def semihosting() -> bool:
    """Whether newlib's library for it is installed; without it the compiler answers with the bare name."""
    asked = [CROSS or "", "-print-file-name=rdimon.specs"]
    return CROSS is not None and "/" in subprocess.run(asked, capture_output=True, text=True, check=True).stdout


EMULATED = pytest.mark.skipif(
    not (shutil.which("qemu-system-arm") and semihosting()), reason="no qemu-system-arm or no newlib on this machine"
)


@pytest.fixture(scope="module")
def firmware(tmp_path_factory) -> Path:
    """Sources and golden vectors of a network that puts out mean colours."""

    def colours(images):
        return (images.reshape(len(images), -1, 3).mean(1) - 128).round().astype(np.int8)

    facts = replace(FACTS, dimension=3, sha256=hashlib.sha256(CONTENT).hexdigest())
    gallery = empty(3)
    gallery = replace(gallery, model=replace(gallery.model, sha256=facts.sha256))
    golden = make_golden(rendered_faces(facts.side), gallery, facts.input, colours)
    folder = tmp_path_factory.mktemp("firmware")
    write_files(folder, source_files(facts, CONTENT, golden))
    return folder


def toolchain(firmware: Path, core: str, *options: str) -> list[str]:
    return [f"-DCMAKE_TOOLCHAIN_FILE={firmware / 'arm-none-eabi.cmake'}", f"-DFACEREC_CPU={core}", *options]


def text_bytes(library: Path) -> int:
    done = subprocess.run(["arm-none-eabi-size", "-t", str(library)], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1].split()[0])


@pytest.mark.parametrize("core", CORES)
def test_the_library_is_built_as_small_as_the_card_says(firmware, tmp_path, core) -> None:
    built = cmake(firmware, tmp_path, *toolchain(firmware, core))
    assert {path.name for path in built.rglob("*.a")} == {
        "libfacerec_match.a",
        "libfacerec_model.a",
        "libfacerec_self_test.a",
    }
    (stated,) = (one.text_bytes for one in library_sizes(firmware / "library") if one.core == core)
    assert stated <= text_bytes(built / "library" / "libfacerec_match.a") <= stated + 16


def emulated(firmware: Path, folder: Path, core: str, *options: str) -> subprocess.CompletedProcess[str]:
    cmake(firmware, folder, *toolchain(firmware, core, "-DFACEREC_EMULATED=ON", *options))
    command = ["ctest", "--test-dir", str(folder), "--verbose", "--timeout", "120"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@EMULATED
@pytest.mark.parametrize(("core", "abi"), [("cortex-m3", "soft"), ("cortex-m4", "hard"), ("cortex-m7", "soft")])
def test_the_self_test_passes_on_an_emulated_core(firmware, tmp_path, core, abi) -> None:
    done = emulated(firmware, tmp_path, core, f"-DFACEREC_FLOAT={abi}")
    assert done.returncode == 0, done.stdout
    assert "30 of 30 matches compared, 0 check(s) failed" in done.stdout


@EMULATED
def test_the_emulated_self_test_finds_a_fingerprint_that_was_changed(firmware, tmp_path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(firmware, copy)
    source = copy / "golden" / "facerec_golden.c"
    head, name, rest = source.read_text().partition("facerec_golden_fingerprints[5][3] = {\n{")
    first, comma, others = rest.partition(",")
    source.write_text(f"{head}{name}{int(first) ^ 1}{comma}{others}")
    done = emulated(copy, tmp_path / "b", "cortex-m7")
    assert done.returncode != 0
    assert "FAILED: another score" in done.stdout


@EMULATED
def test_a_core_that_is_not_emulated_is_named(firmware, tmp_path) -> None:
    options = toolchain(firmware, "cortex-m33", "-DFACEREC_EMULATED=ON")
    done = subprocess.run(
        ["cmake", "-S", str(firmware), "-B", str(tmp_path), *options], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "got 'cortex-m33'" in " ".join(done.stderr.split())
