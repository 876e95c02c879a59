import csv
import json
import subprocess
from configparser import ConfigParser
from dataclasses import replace
from importlib import metadata
from importlib.resources import files
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
import yaml
from ai_edge_litert import schema_py_generated as schema

from facerec_core.errors import OptionError, QuantizationError, StorageError
from facerec_core.latency import BoardSpec, board_spec, estimate, read_table, table_path, vela
from facerec_core.latency.recognise import Network
from facerec_core.latency.vela import NPUS, Npu, VelaCycles, cpu_operators, npu_of, parse_summary, simulate
from facerec_core.latency.writing import write_table
from facerec_core.types import Candidate
from sweep.latency import Request
from sweep.latency import simulate as action
from tests.cli import refused, sweep
from tests.settings import settings
from tests.tiny_tflite import mean_colour_tflite

BOARDS = sorted(path.stem for path in (Path(__file__).parents[2] / "conf" / "board").glob("ethos_*.yaml"))
SUMMARY = (Path(__file__).parents[1] / "golden" / "vela_summary.csv").read_text(encoding="utf-8")
"""What Vela 5.2.0 wrote for the untrained 0.35@96, 448-d, on an Ethos-U55-128."""
U55 = NPUS["Ethos-U55-128"]
INT8 = (2 / 255, -1)
MODEL = mean_colour_tflite(16, INT8)


def shipped(name: str) -> BoardSpec:
    path = Path(__file__).parents[2] / "conf" / "board" / f"{name}.yaml"
    return board_spec(yaml.safe_load(path.read_text(encoding="utf-8")))


def compiled_tflite(*, mean_on_the_cpu: bool = False) -> bytes:
    """A file as Vela leaves it: its custom operator, and behind it what it could not take."""
    model = schema.ModelT.InitFromPackedBuf(MODEL, 0)
    ethos = schema.OperatorCodeT()
    ethos.builtinCode, ethos.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM, schema.BuiltinOperator.CUSTOM
    ethos.customCode = b"ethos-u"
    command = schema.OperatorT()
    command.opcodeIndex, command.inputs, command.outputs = 1, [0, 1], [2]
    model.operatorCodes.append(ethos)
    graph = model.subgraphs[0]
    graph.operators = [command, *(graph.operators if mean_on_the_cpu else [])]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


class FakeVela:
    """Stands for the compiler's process; what it leaves and how it ends can be changed."""

    def __init__(self) -> None:
        self.summary, self.compiled = SUMMARY, compiled_tflite()
        self.status, self.said, self.error = 0, "", None
        self.command: list[str] = []

    def __call__(self, command, *, cwd, **_options):
        self.command = command
        if self.error is not None:
            raise self.error
        if self.summary:
            (cwd / "model_summary_Ethos_U55_High_End_Embedded.csv").write_text(self.summary)
        (cwd / "model_vela.tflite").write_bytes(self.compiled)
        return subprocess.CompletedProcess(command, self.status, "", self.said)


@pytest.fixture
def fake(monkeypatch) -> FakeVela:
    process = FakeVela()
    monkeypatch.setattr(vela.subprocess, "run", process)
    monkeypatch.setattr(metadata, "version", lambda _name: "5.2.0")
    return process


def changed(column: str, value: str) -> str:
    header, line = csv.reader(SUMMARY.splitlines())
    cells = dict(zip(header, line, strict=True)) | {column: value}
    return f"{','.join(cells)}\n{','.join(cells.values())}\n"


class TestReading:
    def test_the_summary_of_a_real_run(self, fake) -> None:
        result = simulate(MODEL, U55)
        assert result.cycles == VelaCycles(425885, 197674, 0, 0, 423712, 667173)
        assert result.inference_ms == 1.334346 == pytest.approx(result.cycles.total / result.clock_mhz / 1e3)
        assert (result.sram_bytes, result.dram_bytes) == (149_488, 0)
        assert (result.on_chip_flash_bytes, result.off_chip_flash_bytes) == (0, 382_304)
        assert (result.npu_operators, result.cpu_operators, result.npu_share) == (1, (), 1.0)
        assert result.size_bytes == len(fake.compiled)
        assert (result.vela_version, result.clock_mhz) == ("5.2.0", 500.0)

    def test_what_vela_is_asked_for(self, fake) -> None:
        simulate(MODEL, U55)
        assert "--accelerator-config=ethos-u55-128" in fake.command
        assert "--system-config=Ethos_U55_High_End_Embedded" in fake.command
        assert "--memory-mode=Shared_Sram" in fake.command

    def test_operators_left_on_the_cpu_are_named(self, fake) -> None:
        assert cpu_operators(compiled_tflite()) == ()
        assert cpu_operators(compiled_tflite(mean_on_the_cpu=True)) == ("MEAN",)
        assert cpu_operators(MODEL) == ("MEAN",)
        fake.compiled = compiled_tflite(mean_on_the_cpu=True)
        assert simulate(MODEL, U55).npu_share == 0.0

    @pytest.mark.parametrize("text", ["", "a,b\n", "a,b\n1\n", "a\n1\n2\n"])
    def test_a_summary_that_is_none(self, text) -> None:
        with pytest.raises(QuantizationError, match="expected a header and one line of equal length"):
            parse_summary(text)


class TestRefusals:
    def test_without_the_package_it_says_what_to_install(self, monkeypatch) -> None:
        def missing(name):
            raise metadata.PackageNotFoundError(name)

        monkeypatch.setattr(metadata, "version", missing)
        with pytest.raises(OptionError, match=r"pip install 'facerec-sweep\[vela\]'"):
            simulate(MODEL, U55)

    @pytest.mark.parametrize("content", [b"", b"not a model", MODEL[:200]], ids=["empty", "text", "cut"])
    def test_a_damaged_file_never_reaches_vela(self, fake, tmp_path, content) -> None:
        path = tmp_path / "broken.tflite"
        path.write_bytes(content)
        with pytest.raises(StorageError, match=r"broken\.tflite: not a readable \.tflite file"):
            simulate(path, U55)
        assert fake.command == []

    def test_a_missing_file(self, fake, tmp_path) -> None:
        with pytest.raises(StorageError, match=r"none\.tflite: cannot be read \(No such file"):
            simulate(tmp_path / "none.tflite", U55)

    def test_a_file_that_vela_has_compiled_already(self, fake) -> None:
        with pytest.raises(QuantizationError, match=r"mine: holds nothing that Vela could compile"):
            simulate(compiled_tflite(), U55, name="mine")
        assert fake.command == []

    def test_a_crash_a_failure_and_a_process_that_hangs(self, fake) -> None:
        fake.status, fake.said = -11, "one\n  the last line\n"
        with pytest.raises(
            QuantizationError, match=r"mine: Vela failed for ethos-u55-128: ended by SIGSEGV; .*the last line"
        ):
            simulate(MODEL, U55, name="mine")
        fake.status, fake.said = 1, "Traceback\nRuntimeError: no\n"
        with pytest.raises(QuantizationError, match=r"ethos-u55-128: RuntimeError: no$"):
            simulate(MODEL, U55)
        fake.error = subprocess.TimeoutExpired("vela", 2)
        with pytest.raises(QuantizationError, match="stopped after 2 s"):
            simulate(MODEL, U55, timeout_seconds=2)

    def test_nothing_written(self, fake) -> None:
        fake.summary = ""
        with pytest.raises(QuantizationError, match="0 summaries and 1 files"):
            simulate(MODEL, U55)

    @pytest.mark.parametrize(
        ("column", "value"),
        [("system_config", "Ethos_U55_Deep_Embedded"), ("memory_mode", "Sram_Only"), ("core_clock", "2e8")],
    )
    def test_figures_of_another_system_than_asked_for(self, fake, column, value) -> None:
        fake.summary = changed(column, value)
        with pytest.raises(QuantizationError, match=r"Vela compiled for .*, asked for .*Shared_Sram"):
            simulate(MODEL, U55)

    def test_columns_of_another_version(self, fake) -> None:
        fake.summary = SUMMARY.replace("cycles_total", "total_cycles")
        with pytest.raises(QuantizationError, match=r"no column cycles_total; install ethos-u-vela 5.2"):
            simulate(MODEL, U55)
        fake.summary = changed("cycles_total", "many")
        with pytest.raises(QuantizationError, match="column cycles_total: got 'many', expected a number"):
            simulate(MODEL, U55)

    @pytest.mark.parametrize("core", ["Cortex-M7", "Ethos-U55-512", None])
    def test_cores_that_are_no_ethos_u(self, core) -> None:
        with pytest.raises(
            OptionError, match=r"board\.core: got .*allowed: Ethos-U55-32, .*such as --board ethos_u55_128"
        ):
            npu_of(core)


@pytest.mark.parametrize("name", BOARDS)
class TestBoards:
    def test_the_table_is_of_the_system_that_would_be_simulated(self, name) -> None:
        board = shipped(name)
        npu, rows = npu_of(board.core), read_table(table_path(board.table)).rows
        assert {(row.role, row.board, row.core) for row in rows} == {("simulated", name, board.core)}
        assert {row.kernels for row in rows} == {npu.kernels}
        assert {row.clock_mhz for row in rows} == {npu.clock_mhz} == {board.clock_mhz}
        assert {(row.runtime, row.runtime_version) for row in rows} == {("Vela", board.runtime_version)}

    def test_the_whole_grid_is_answered_from_the_table(self, name) -> None:
        board = shipped(name)
        for point in settings(
            f"board={name}", "width=0.35,0.5,0.75,1,1.3,1.4", "res=96,160,224", "embedding=scaled,1280"
        ):
            candidate = point.candidate
            latency = estimate(board, candidate.width, candidate.resolution, candidate.embedding)
            assert latency.provenance == "simulated"

    def test_larger_networks_take_longer(self, name) -> None:
        rows = {(row.width, row.resolution): row.latency_ms for row in _scaled(name)}
        widths, sides = (sorted(set(axis)) for axis in zip(*rows, strict=True))
        grid = np.array([[rows[width, side] for side in sides] for width in widths])
        assert grid.shape == (6, 5)
        assert (np.diff(grid, axis=0) > 0).all()
        assert (np.diff(grid, axis=1) > 0).all()


def _scaled(name):
    rows = read_table(table_path(shipped(name).table)).rows
    return [row for row in rows if row.embedding != 1280 or row.width == 1]


@pytest.mark.parametrize("npu", NPUS.values(), ids=NPUS)
def test_systems_and_clocks_are_those_of_arms_own_file(npu: Npu) -> None:
    pytest.importorskip("ethosu", reason="the extra vela is not installed")
    arm = ConfigParser()
    arm.read_string((files("ethosu") / "config_files" / vela.CONFIG_FILE).read_text(encoding="utf-8"))
    assert float(arm[f"System_Config.{npu.system_config}"]["core_clock"]) == npu.clock_mhz * 1e6
    assert f"Memory_Mode.{npu.memory_mode}" in arm


CANDIDATE = Candidate(0.35, 96, 448)


@pytest.fixture
def one(fake) -> action.Simulated:
    board = shipped("ethos_u55_128")
    return action.Simulated(board, Network("mine", CANDIDATE, MODEL), simulate(MODEL, U55))


def request(*overrides: str, out: Path | None = None, form: str = "table", runs: int | None = None) -> Request:
    points = settings("width=0.35", "res=96", *overrides)
    return Request(points, (), None, None if out is None else str(out), runs, form)


class TestAction:
    @pytest.fixture(autouse=True)
    def _networks(self, monkeypatch) -> None:
        found = (Network("mobilenetv2_0.35_96_448", CANDIDATE, MODEL),)
        monkeypatch.setattr(action, "networks", lambda _request, _display: found)

    def test_the_written_table_is_a_table_of_the_board(self, fake, tmp_path, capsys) -> None:
        out = tmp_path / "mine.csv"
        assert action.act(request("board=ethos_u55_128", out=out)) == 0
        (row,) = read_table(out).rows
        assert (row.role, row.width, row.resolution, row.embedding, row.classes) == ("simulated", 0.35, 96, 448, None)
        board = replace(shipped("ethos_u55_128"), table=str(out))
        assert row.latency_ms == 1.334346
        assert row.core == board.core
        printed = capsys.readouterr().out
        assert " 0.35   96     448  1.334      667   146     0    373" in printed
        assert "ethos_u55_128: Vela 5.2.0, Ethos-U55-128, 500 MHz, Ethos_U55_High_End_Embedded, Shared_Sram" in printed
        assert "no measurement" in printed

    def test_json_and_csv_hold_the_same_figures(self, fake, capsys) -> None:
        action.act(request("board=ethos_u55_128", form="json"))
        (figures,) = json.loads(capsys.readouterr().out)
        action.act(request("board=ethos_u55_128", form="csv"))
        (cells,) = csv.DictReader(capsys.readouterr().out.splitlines())
        assert list(figures) == list(cells)
        assert figures["cycles_total"] == int(cells["cycles_total"]) == 667_173
        assert figures["sram_bytes"] == int(cells["sram_bytes"]) == 149_488
        assert figures["npu_share"] == 1.0

    def test_no_row_for_a_network_of_which_the_cpu_has_a_part(self, fake, tmp_path, capsys) -> None:
        fake.compiled = compiled_tflite(mean_on_the_cpu=True)
        assert action.act(request("board=ethos_u55_128")) == 0
        printed = capsys.readouterr().out
        assert "MEAN" in printed
        assert "leave out the operators on the CPU" in printed
        with pytest.raises(OptionError, match=r"--out: got 'mobilenetv2_0.35_96_448, which leaves MEAN to the CPU'"):
            action.act(request("board=ethos_u55_128", out=tmp_path / "mine.csv"))
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("overrides", "message"),
        [
            (["board=stm32f746"], "board.core: got 'Cortex-M7'"),
            (
                ["board=ethos_u55_128", "board.clock_mhz=400"],
                "board.clock_mhz: got 400.0, allowed: 500, the clock of Etho",
            ),
            (["board=ethos_u55_128", "board.runtime=TFLM"], "board.runtime: got 'TFLM', allowed: Vela"),
            (
                ["board=ethos_u55_128", "board.runtime_version=4.0.0"],
                "allowed: 5.2.0, the installed one; pip install ethos-u",
            ),
        ],
    )
    def test_boards_that_are_not_what_would_be_simulated(self, fake, overrides, message) -> None:
        with pytest.raises(OptionError) as refusal:
            action.act(request(*overrides))
        assert message in str(refusal.value)
        assert fake.command == []

    def test_flags_that_mean_nothing_here(self, fake, tmp_path) -> None:
        with pytest.raises(OptionError, match="--runs"):
            action.act(request("board=ethos_u55_128", runs=10))
        with pytest.raises(OptionError, match=r"--out.*one board"):
            action.act(request("board=ethos_u55_128,ethos_u55_256", out=tmp_path / "mine.csv"))

    def test_rows_of_several_networks_come_back_as_written(self, one, tmp_path) -> None:
        wider = replace(one, network=replace(one.network, candidate=Candidate(0.5, 96, 640)))
        rows = [action.timed_row(one), action.timed_row(wider)]
        write_table(tmp_path / "two.csv", rows)
        assert list(read_table(tmp_path / "two.csv").rows) == rows


@pytest.mark.slow
class TestRealVela:
    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("ethosu", reason="the extra vela is not installed")

    def test_what_the_cpu_keeps(self) -> None:
        assert simulate(MODEL, U55).cpu_operators == ()
        result = simulate(mean_colour_tflite(16), U55)
        assert (result.cpu_operators, result.npu_operators, result.inference_ms) == (("MEAN",), 0, 0.0)

    @pytest.mark.parametrize("name", ["ethos_u55_128", "ethos_u85_256"])
    def test_the_shipped_row_comes_out_again(self, name, tmp_path_factory) -> None:
        folder = tmp_path_factory.getbasetemp() / "simulated"
        folder.mkdir(exist_ok=True)
        grid = ("width=0.35", "res=96", "paths.root=runs", "--out", f"{name}.csv", "--json")
        done = sweep("latency", "simulate", "--board", name, *grid, cwd=folder)
        assert done.returncode == 0, done.stderr
        (figures,) = json.loads(done.stdout)
        assert (figures["npu_operators"], figures["cpu_operators"]) == (63, [])
        (row,) = read_table(folder / f"{name}.csv").rows
        kept = next(kept for kept in _scaled(name) if (kept.width, kept.resolution) == (0.35, 96))
        assert row.latency_ms == pytest.approx(kept.latency_ms, rel=0.01)
        assert replace(row, latency_ms=kept.latency_ms) == kept

    def test_files_of_ones_own(self, tmp_path) -> None:
        (tmp_path / "mine.tflite").write_bytes(MODEL)
        line = refused("latency", "simulate", "mine.tflite", "--board", "ethos_u55_128", cwd=tmp_path)
        assert line.startswith("mine.tflite: not a headless MobileNetV2")
