"""The port that is shipped, on a core whose registers a header plays: what it counts, and when it refuses to."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from facerec_core.latency.bench_project import TEMPLATES, BenchModel, bench_files
from facerec_core.latency.recognise import Network
from facerec_core.types import Candidate
from tests.cli import ROOT
from tests.tiny_tflite import mean_colour_tflite

STANDIN = ROOT / "tests" / "tflm_standin"
COMPILER = shutil.which("g++") or shutil.which("clang++")
STRICT = ("-std=c++17", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wshadow", "-Wconversion")
DEFINED = (
    "-DBENCH_CLOCK_HZ=216000000",
    '-DBENCH_KERNELS="CMSIS-NN"',
    '-DBENCH_RUNTIME_VERSION="90b983c2b3f1"',
    "-DBENCH_PUTCHAR=StandinPutChar",
    "-DBENCH_RETURN",
)
OWN = "-DBENCH_OWN_SYSTICK"
LONG = "-DSTANDIN_CYCLES_PER_MAC=600"
"""More cycles an inference than 32 bits hold."""
RUNS = 21
MACS = 96**2 * 0.35 * (4125 * 0.35 + 1855)
"""What the stand-in takes for the multiply-adds of 0.35@96."""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(COMPILER is None, reason="no C++ compiler on this machine")]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """The project of one network, with the shipped port; the stand-in wants four operators registered."""
    folder = tmp_path_factory.mktemp("port")
    model = BenchModel(Network("a network", Candidate(0.35, 96, 448), mean_colour_tflite(96, (0.1, 0))), 200_000)
    for name, text in bench_files([model], RUNS, "guessed").items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    calls = " && ".join(f"resolver.Add{name}() == kTfLiteOk" for name in ("Add", "Conv2D", "DepthwiseConv2D", "Mean"))
    operators = (folder / "operators.h").read_text()
    operators = operators.replace("Resolver<1>", "Resolver<4>").replace("resolver.AddMean() == kTfLiteOk", calls)
    (folder / "operators.h").write_text(operators)
    return folder


@pytest.fixture(scope="module")
def printed(project, tmp_path_factory):
    """What the program prints on a board of these properties; built once for each."""

    @cache
    def call(*flags: str) -> list[dict]:
        program = tmp_path_factory.mktemp("board") / "program"
        sources = [*project.glob("*.cc"), *project.glob("models/*.cc")]
        includes = (f"-I{project}", f"-I{STANDIN}", "-include", STANDIN / "registers.h")
        command = [COMPILER, *STRICT, *includes, *DEFINED, *flags, *sources, "-o", program]
        built = subprocess.run(command, capture_output=True, text=True)
        assert built.returncode == 0, built.stderr
        out = subprocess.run([program], capture_output=True, check=True, text=True, timeout=60).stdout
        return [json.loads(line) for line in out.splitlines()]

    return call


def test_begin_and_end_enclose_the_network(printed):
    begin, result, end = printed()
    assert (begin["begin"], end["end"], result["model"], result["core"]) == (1, 1, "a network", "Cortex-M7")


@pytest.mark.parametrize(
    "flags",
    [(), (LONG,), (LONG, "-DSTANDIN_NO_DWT"), (OWN,), (OWN, LONG), ("-DSTANDIN_MASKED", "-DSTANDIN_CYCLES_PER_MAC=1")],
    ids=" ".join,
)
def test_cycles_are_those_that_passed(printed, flags):
    per_mac = next((float(flag.rsplit("=", 1)[1]) for flag in flags if "PER_MAC" in flag), 4.5)
    _, result, _ = printed(*flags)
    first = per_mac * MACS + 2 * 1000  # the stand-in takes 1000 cycles more each time, and two go before
    assert (LONG in flags) == (first > 2**32)
    assert result["cycles_min"] == pytest.approx(first, rel=1e-4)  # handlers take time, too; a wrap is 2^24
    assert result["cycles_max"] - result["cycles_min"] == pytest.approx((RUNS - 1) * 1000, abs=200)


def test_percentiles_by_nearest_rank(printed):
    _, result, _ = printed()
    above = [round((result[f"cycles_{key}"] - result["cycles_min"]) / 1000) for key in ("p5", "median", "p95", "max")]
    assert above == [1, 10, 19, 20]


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (("-DSTANDIN_MASKED", LONG), "SysTick and CYCCNT disagree: were interrupts off?"),
        (("-DSTANDIN_DEAF",), "SysTick_Handler of cortex_m.cc is not called"),
        ((OWN, "-DSTANDIN_NO_DWT"), "no CYCCNT on this core: leave SysTick to the benchmark"),
        ((OWN, "-DSTANDIN_FORGOTTEN"), "CortexMTick() was not called during an inference"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_count_that_cannot_be_trusted_is_none(printed, flags, reason):
    _, error, _ = printed(*flags)
    assert (error["model"], error["error"]) == ("a network", reason)
    assert "cycles_median" not in error


@pytest.mark.skipif(shutil.which("nm") is None, reason="no nm on this machine")
@pytest.mark.parametrize(("flags", "handler"), [((), True), ((OWN,), False)], ids=["ours", "the firmware's"])
def test_the_handler_goes_by_the_name_of_the_vector_table(tmp_path, flags, handler):
    """Strong, so that it wins over the weak alias of start-up code; absent where the firmware has its own."""
    built = [COMPILER, *STRICT, *flags, "-c", TEMPLATES / "cortex_m.cc", "-o", tmp_path / "port.o"]
    subprocess.run(built, check=True, capture_output=True)
    listed = subprocess.run(["nm", tmp_path / "port.o"], check=True, capture_output=True, text=True).stdout
    defined = {line.split()[2].lstrip("_") for line in listed.splitlines() if line.split()[1:2] == ["T"]}
    assert ("SysTick_Handler" in defined) == handler
    assert "CortexMTick" in defined
