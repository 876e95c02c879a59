"""Measuring as a user does it: on this machine, and on a board whose part a program on this machine plays."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.cli import ROOT, refused, sweep

pytestmark = pytest.mark.slow

NETWORKS = ("width=0.35,0.5", "res=96,128")
STANDIN = ROOT / "tests" / "tflm_standin"
COMPILER = shutil.which("g++") or shutil.which("clang++")
STRICT = ("-std=c++17", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wshadow", "-Wconversion")
DEFINED = ("-DBENCH_CLOCK_HZ=216000000", '-DBENCH_KERNELS="CMSIS-NN"', '-DBENCH_RUNTIME_VERSION="90b983c2b3f1"')

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler (g++ or clang++) on this machine")


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder with the untrained files of four networks, timed and made into a table of this machine."""
    folder = tmp_path_factory.mktemp("measuring")
    done = sweep("latency", "measure", *NETWORKS, "--runs", "20", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "use it: python -m sweep plan board=host" in done.stdout
    return folder


@pytest.fixture(scope="module")
def project(home) -> Path:
    done = sweep("latency", "bench", "--out", "bench", *NETWORKS, "--runs", "5", cwd=home)
    assert done.returncode == 0, done.stderr
    return home / "bench"


def compiled(project: Path, folder: Path, *flags: str) -> Path:
    """The benchmark built for this machine: the port is replaced, nothing else is."""
    shutil.copytree(project, folder, dirs_exist_ok=True)
    shutil.copy(STANDIN / "port.h", folder / "port.h")
    sources = [*folder.glob("*.cc"), *folder.glob("models/*.cc")]
    program = folder / "program"
    includes = (f"-I{folder}", f"-I{STANDIN}")
    command = [COMPILER, *STRICT, *includes, *DEFINED, "-DBENCH_RETURN", *flags, *sources, "-o", program]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return program


def output_of(program: Path) -> bytes:
    return subprocess.run([program], capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def log(project, tmp_path_factory) -> bytes:
    return output_of(compiled(project, tmp_path_factory.mktemp("board")))


def planned(home: Path, *arguments: str) -> list[dict]:
    done = sweep("plan", *NETWORKS, *arguments, "--json", cwd=home)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class TestThisMachine:
    def test_the_table_holds_what_was_timed(self, home):
        with (home / "mlruns/latency/host.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [(row["width"], row["resolution"]) for row in rows] == [
            ("0.35", "96"), ("0.35", "128"), ("0.5", "96"), ("0.5", "128"),
        ]  # fmt: skip
        assert {(row["role"], row["board"], row["runtime"], row["kernels"], row["n"]) for row in rows} == {
            ("own", "host", "LiteRT", "XNNPACK", "20")
        }
        assert all(float(row["low_ms"]) <= float(row["latency_ms"]) <= float(row["high_ms"]) for row in rows)

    def test_plan_answers_with_the_measurements(self, home):
        rows = planned(home, "board=host")
        assert {row["latency_provenance"] for row in rows} == {"measured"}
        assert {row["board"] for row in rows} == {"host"}

    def test_a_file_is_recognised_and_its_row_replaced(self, home, tmp_path):
        table = Path(shutil.copy(home / "mlruns/latency/host.csv", tmp_path / "mine.csv"))
        (file,) = (home / "mlruns/latency/models").glob("mobilenetv2_0.5_96_*.tflite")
        shutil.copy(file, tmp_path / "my_face.tflite")
        flags = ("--runs", "3", "--csv", "--out", str(table))
        done = sweep("latency", "measure", str(tmp_path / "my_face.tflite"), *flags, cwd=home)
        assert done.returncode == 0, done.stderr
        (row,) = csv.DictReader(done.stdout.splitlines())
        assert (row["width"], row["resolution"], row["embedding"], row["n"]) == ("0.5", "96", "640", "3")
        assert [row["n"] for row in csv.DictReader(table.read_text().splitlines())] == ["20", "20", "3", "20"]

    def test_without_a_table_the_command_that_makes_it_is_named(self, tmp_path):
        assert "python -m sweep latency measure" in refused("plan", "board=host", cwd=tmp_path)

    def test_another_boards_table_is_not_overwritten(self, tmp_path):
        table = ROOT / "facerec_core/latency/tables/stm32h747_x-cube-ai_10.0.0.csv"
        shutil.copy(table, tmp_path / "mine.csv")
        assert "its board is 'STM32H747I-DISCO'" in refused("latency", "measure", "--out", "mine.csv", cwd=tmp_path)
        assert (tmp_path / "mine.csv").read_bytes() == table.read_bytes()


@needs_compiler
class TestBoard:
    def test_the_port_that_is_shipped_compiles_once_filled_in(self, project, tmp_path):
        (tmp_path / "uart.h").write_text("inline void Send(char) {}\n")
        source = [str(project / "bench.cc"), str(project / "main.cc")]
        filled = [
            f"-I{project}",
            f"-I{STANDIN}",
            *DEFINED,
            "-DBENCH_PUTCHAR=Send",
            "-include",
            str(tmp_path / "uart.h"),
        ]
        built = subprocess.run([COMPILER, *STRICT, *filled, "-fsyntax-only", *source], capture_output=True, text=True)
        assert (built.returncode, built.stderr) == (0, "")

    def test_a_port_that_is_not_filled_in_says_so(self, project):
        command = [COMPILER, f"-I{project}", f"-I{STANDIN}", "-std=c++17", "-fsyntax-only", str(project / "main.cc")]
        said = subprocess.run(command, capture_output=True, text=True).stderr
        assert "define BENCH_CLOCK_HZ" in said
        assert "fill in PortPutChar" in said

    def test_the_files_hold_the_networks_and_their_operators(self, home, project):
        (file,) = (home / "mlruns/latency/models").glob("mobilenetv2_0.35_96_*.tflite")
        text = (project / "models/mobilenetv2_0_35_96_448.cc").read_text()
        body = text[text.index("{") + 1 : text.index("}")]
        assert bytes(int(number) for number in body.split(",") if number.strip()) == file.read_bytes()
        assert "MicroMutableOpResolver<4>" in (project / "operators.h").read_text()

    def test_from_a_board_to_a_plan(self, home, log, tmp_path):
        (tmp_path / "uart.log").write_bytes(log)
        done = sweep(
            "latency", "import", str(tmp_path / "uart.log"), "--board", "my_board", "--out", "boards", cwd=home
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "fit of 4 networks" in done.stdout
        assert yaml.safe_load((home / "boards/board/my_board.yaml").read_text())["deployed_as"] == "interpreted"
        rows = planned(home, "--config-dir", "boards", "board=my_board")
        assert [round(row["latency_ms"], 1) for row in rows] == [221.7, 394.1, 376.1, 668.6]
        assert {row["latency_provenance"] for row in rows} == {"measured"}
        (between,) = json.loads(
            sweep("plan", "width=0.4", "res=96", "--config-dir", "boards", "board=my_board", "--json", cwd=home).stdout
        )
        assert between["latency_provenance"] == "fitted"

    @pytest.mark.skipif(shutil.which("cmake") is None, reason="no CMake on this machine")
    def test_cmake_builds_one_network_a_program(self, project, tmp_path):
        shutil.copytree(project, tmp_path / "bench")
        shutil.copy(STANDIN / "port.h", tmp_path / "bench/port.h")
        library = tmp_path / "libempty.a"
        library.write_bytes(b"!<arch>\n")  # the stand-in is all headers
        settings = {
            "CMAKE_CXX_COMPILER": COMPILER,
            "TFLM_DIR": STANDIN,
            "TFLM_LIBRARY": library,
            "TFLM_VERSION": "90b983c2b3f1",
            "TFLM_INCLUDES": tmp_path / "bench",
            "BENCH_CLOCK_HZ": 216_000_000,
            "BENCH_DEFINITIONS": "BENCH_RETURN",
        }
        flags = [f"-D{key}={value}" for key, value in settings.items()]
        folders = ["-S", tmp_path / "bench", "-B", tmp_path / "build"]
        subprocess.run(["cmake", *folders, *flags], check=True, capture_output=True)
        name = "bench_mobilenetv2_0_35_128_448"
        subprocess.run(["cmake", "--build", tmp_path / "build", "--target", name], check=True, capture_output=True)
        printed = output_of(tmp_path / "build" / name).decode()
        assert '"begin":1' in printed
        assert '"resolution":128' in printed

    def test_one_network_a_program_and_an_arena_too_small(self, home, project, tmp_path):
        one = output_of(compiled(project, tmp_path / "one", "-DBENCH_ONLY=1"))
        short = output_of(compiled(project, tmp_path / "short", "-DSTANDIN_ARENA_BYTES=210000"))
        (tmp_path / "uart.log").write_bytes(one + short)
        arguments = (
            "latency",
            "import",
            str(tmp_path / "uart.log"),
            "--board",
            "nucleo",
            "--out",
            str(tmp_path / "boards"),
        )
        done = sweep(*arguments, cwd=home)
        assert done.returncode == 2  # the second run timed 0.35@128 again, with another arena
        assert "was timed twice" in done.stderr
        (tmp_path / "uart.log").write_bytes(short)
        done = sweep(*arguments, cwd=home)
        assert done.returncode == 1
        assert "mobilenetv2_0.35_96_448 is left out: arena too small" in done.stderr
        assert "a fit of its own needs 1 more network" in done.stdout
