"""The gallery reader under libFuzzer for so many inputs: what it accepts keeps its promises, and nothing crashes."""

from __future__ import annotations

import re
import subprocess

import pytest

from facerec_core.device import LIBRARY, SOURCES
from facerec_core.gallery.encoding import encode
from tests.device_program import COMPILERS, HOST, STRICT
from tests.galleries import empty, people

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("clang" not in COMPILERS, reason="no clang, and so no libFuzzer, on this machine"),
]
RUNS = 30_000
FUZZED = ("-g", "-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory):
    program = tmp_path_factory.mktemp("fuzz") / "fuzz"
    sources = [str(HOST.with_name("fuzz.c")), *(str(LIBRARY / f"{module}.c") for module in SOURCES)]
    command = ["clang", *STRICT, *FUZZED, f"-I{LIBRARY}", *sources, "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "clang_rt.fuzzer" in done.stderr:
        pytest.skip("this clang comes without libFuzzer")
    assert done.returncode == 0, done.stderr
    return program


def test_the_reader_withstands_the_fuzzer(fuzzer, tmp_path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    whole = [people({"Ada": 2, "Bö": 1, "李": 1}, empty(d)) for d in (1, 6, 8, 33)]
    for number, gallery in enumerate([empty(), *whole]):
        for fitting in (b"\0", b"\1"):
            (corpus / f"{number}-{fitting.hex()}").write_bytes(fitting + encode(gallery))
    # The peak resident size the kernel reports is also that of the process that started it, TensorFlow and all.
    memory = ["-rss_limit_mb=0", "-malloc_limit_mb=64"]
    limits = [*memory, f"-runs={RUNS}", "-seed=7", "-max_len=1024", "-timeout=60", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run([str(fuzzer), *limits, str(corpus)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    counted = re.search(r"accepted (\d+) of (\d+)", done.stderr)
    assert counted is not None, done.stderr[-4000:]
    accepted, inputs = map(int, counted.groups())
    assert inputs >= RUNS
    assert 20 < accepted < inputs - 1000  # both kinds were tried
