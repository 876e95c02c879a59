"""`latency import` and `latency bench` in-process: what is written, what is kept, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
import yaml

from facerec_core.errors import DataError, OptionError, QuantizationError, StorageError, UsageError
from facerec_core.latency import read_table
from facerec_core.latency.bench_project import BenchModel, bench_files
from facerec_core.latency.reading import LARGEST_BYTES
from facerec_core.latency.recognise import Network
from facerec_core.types import Candidate
from sweep.cli import main
from sweep.latency import Request, bench, importing, measure
from tests.settings import settings
from tests.tiny_tflite import mean_colour_tflite
from tests.unit.test_bench_log import ERROR, result, run

SHAPES = ((0.35, 96, 448, 30), (0.35, 128, 448, 54), (0.5, 96, 640, 45), (0.5, 128, 640, 80))
"""Width, resolution, embedding and millions of cycles of four networks."""


def lines(shapes=SHAPES, **changes) -> list[str]:
    return [
        result(
            width=width, resolution=side, embedding=numbers,
            cycles_min=mega * 10**6, cycles_p5=mega * 10**6 + 5, cycles_median=mega * 10**6 + 9,
            cycles_p95=mega * 10**6 + 95, cycles_max=mega * 10**6 + 99, **changes,
        )
        for width, side, numbers, mega in shapes
    ]  # fmt: skip


def request(*files: str, board: str | None = "my_board", **changes) -> Request:
    return Request(
        **{"points": settings(), "files": files, "board": board, "out": None, "runs": None, "form": "table"} | changes
    )


@pytest.fixture
def do_import(tmp_path, monkeypatch, capsys):
    """Imports a log as my_board or another, and gives back what was printed."""
    monkeypatch.chdir(tmp_path)

    def call(log: str, board: str = "my_board", status: int = 0):
        Path("uart.log").write_text(log)
        assert importing.act(request("uart.log", board=board)) == status
        return capsys.readouterr()

    return call


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """Imports a log that has to be refused with nothing changed on disk, and gives back the message."""
    monkeypatch.chdir(tmp_path)

    def call(log: str, board: str | None = "my_board") -> str:
        Path("uart.log").write_text(log)
        before = written()
        with pytest.raises(UsageError) as caught:
            importing.act(request("uart.log", board=board))
        assert written() == before
        return str(caught.value)

    return call


def boards() -> Path:
    return Path("mlruns/latency/boards")


def written() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(Path("mlruns").rglob("*")) if path.is_file()}


def board(name: str = "my_board") -> dict:
    return yaml.safe_load((boards() / "board" / f"{name}.yaml").read_text())


class TestImport:
    def test_four_networks_make_a_fit(self, do_import):
        out = do_import(run(*lines())).out
        assert "Cortex-M7 at 216 MHz, TFLM 90b983c2b3f1 with CMSIS-NN" in out
        assert "fit of 4 networks" in out
        assert "leave-one-out error" in out
        assert "plan --config-dir" in out
        rows = read_table(boards() / "my_board.csv").rows
        assert {row.role for row in rows} == {"own"}
        assert rows[0].latency_ms == pytest.approx(30_000_009 / 216e3, rel=1e-5)
        assert rows[0].commit.startswith("sha256:")
        assert (board()["counts"], board()["donor"], board()["deployed_as"]) == (None, None, "interpreted")
        assert Path(board()["table"]).is_absolute()

    def test_with_too_few_counts_of_an_emulated_core_fill_in(self, do_import):
        out = do_import(run(*lines(SHAPES[:1]))).out
        assert "a fit of its own needs 3 more networks and another width" in out
        assert board()["counts"] == "tflm_cortex_m7.csv"
        assert main(["plan", "--config-dir", str(boards()), "board=my_board", "width=0.5", "res=128"]) == 0

    def test_where_nothing_fills_in_it_says_what_is_missing(self, do_import):
        out = do_import(run(*lines(SHAPES[:2], kernels="reference"))).out
        assert "too few for estimates: measure 2 more networks and another width" in out
        assert board()["counts"] is None

    def test_rows_are_replaced_and_added_and_filled_in_values_stay(self, do_import):
        do_import(run(*lines(SHAPES[:2])))
        file = boards() / "board" / "my_board.yaml"
        file.write_text(file.read_text().replace("ram_bytes: null", "ram_bytes: 524288"))
        again = ((*SHAPES[0][:3], 31), *SHAPES[2:])
        assert "keeps 1 earlier rows" in do_import(run(*lines(again))).out
        rows = read_table(boards() / "my_board.csv").rows
        assert [round(row.latency_ms * 216e3 / 1e6) for row in rows] == [31, 54, 45, 80]
        assert board()["ram_bytes"] == 524288
        assert board()["counts"] is None
        assert "fill in the sizes" not in do_import(run(*lines(again))).out

    def test_the_memories_of_a_built_in_board_are_taken_over(self, do_import):
        do_import(run(*lines()), "stm32f746")
        assert (board("stm32f746")["flash_bytes"], board("stm32f746")["ram_bytes"]) == (1048576, 327680)

    def test_a_network_that_failed_is_told_and_left_out(self, do_import):
        captured = do_import(run(*lines(), json.dumps(ERROR)), status=1)
        assert "warning: mobilenetv2_1_224_1280 is left out: arena too small" in captured.err
        assert len(read_table(boards() / "my_board.csv").rows) == 4

    def test_percentiles_become_the_spread(self, do_import):
        do_import(run(*lines()))
        first = read_table(boards() / "my_board.csv").rows[0]
        assert first.low_ms == pytest.approx(30_000_005 / 216e3, rel=1e-5)
        assert first.high_ms == pytest.approx(30_000_095 / 216e3, rel=1e-5)

    def test_a_pipe_is_read_once(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        content = run(*lines()).encode()
        reader, writer = os.pipe()
        os.write(writer, content)
        os.close(writer)
        assert importing.act(request(f"/dev/fd/{reader}")) == 0
        os.close(reader)
        row = read_table(boards() / "my_board.csv").rows[0]
        assert row.commit == f"sha256:{hashlib.sha256(content).hexdigest()[:16]}"

    def test_the_name_of_a_log_may_hold_anything(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        name = os.fsdecode(b'a "b",\n\xff.log')
        Path(name).write_text(run(*lines()))
        assert importing.act(request(name)) == 0
        assert read_table(boards() / "my_board.csv").rows[0].path == 'a "b",__.log'

    def test_nothing_but_table_and_board_is_left(self, do_import):
        do_import(run(*lines()))
        assert sorted(path.name for path in boards().rglob("*")) == ["board", "my_board.csv", "my_board.yaml"]

    def test_a_network_a_little_slower_than_a_larger_one_is_told(self, do_import):
        captured = do_import(run(*lines(((0.35, 96, 448, 50), *SHAPES[1:]))))
        warning = "0.35@96, 448-d, takes 231.482 ms, 11% more than a network that contains it: 0.5@96, 640-d"
        assert captured.err.startswith(f"warning: {warning}")
        assert captured.err.count("warning:") == 1


class TestImportRefusals:
    def test_only_failures(self, refused):
        assert "no network was timed (line 2, mobilenetv2_1_224_1280: arena too small)" in refused(
            run(json.dumps(ERROR))
        )

    def test_a_network_far_slower_than_a_larger_one(self, do_import, refused):
        wild = (0.35, 96, 448, 300)
        said = refused(run(*lines((wild, *SHAPES[1:]))))
        assert said.startswith("uart.log, line 2: 0.35@96, 448-d, takes 1388.89 ms, 567% more")
        assert "0.5@96, 640-d, takes 208.333 ms (and 2 more such pairs with one of them), in uart.log, line 4" in said
        assert not Path("mlruns").exists()
        do_import(run(*lines()))
        said = refused(run(*lines([wild])))
        assert said.startswith("uart.log, line 2: 0.35@96")
        assert f", in a row of {boards().absolute() / 'my_board.csv'}; one of them is wrong" in said

    def test_a_refusal_leaves_no_folders(self, do_import, refused, monkeypatch):
        def no_model(_board):
            raise DataError(f"{_board.table}, line 2: whatever a table is refused for")

        with monkeypatch.context() as patch:
            patch.setattr(importing, "latency_model", no_model)
            said = refused(run(*lines()))
        assert said == f"{boards().absolute() / 'my_board.csv'}, line 2: whatever a table is refused for"
        assert not Path("mlruns").exists()

    def test_a_file_with_an_equals_sign_in_its_name(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        Path("run=1.log").write_text(run(lines()[0][:50]))
        for name in ("run=1.log", "./run=1.log", str(tmp_path / "run=1.log")):
            assert main(["latency", "import", name, "--board", "my_board"]) == 2
            assert f"{Path(name)}, line 2, column " in capsys.readouterr().err
        assert main(["latency", "import", "run=2.log", "--board", "my_board"]) == 2
        assert "run=1.log" not in capsys.readouterr().err

    @pytest.mark.parametrize("name", ["/dev/zero", "/dev/full", "."])
    def test_a_log_that_is_no_file(self, name):
        with pytest.raises(StorageError, match=f"^cannot read {name}: not a file"):
            importing.act(request(name))

    def test_a_log_too_large_to_be_one(self, tmp_path):
        path = tmp_path / "large.log"
        with path.open("wb") as file:
            file.truncate(LARGEST_BYTES + 1)
        with pytest.raises(StorageError, match=r"large\.log: larger than 64 MiB"):
            importing.act(request(str(path)))

    @pytest.mark.parametrize(
        "name", [None, "../up", "a/b", "", ".hidden", "null", "True", "1e3", "a b", "é", "x" * 65, "a\n"]
    )
    def test_names_that_are_no_file_names(self, refused, name):
        assert refused(run(*lines()), name).startswith("--board: got ")

    @pytest.mark.parametrize(
        "changes", [{"runtime_version": "other"}, {"clock_hz": 200_000_000}, {"kernels": "reference"}]
    )
    def test_another_runtime_than_the_earlier_import(self, do_import, refused, changes):
        do_import(run(*lines()))
        assert "never mixes them" in refused(run(*lines(**changes)))

    def test_times_that_make_no_board(self, do_import, refused):
        do_import(run(*lines()))
        said = refused(run(*lines([(1.0, 224, 1280, 400_000)])))
        assert said.startswith("uart.log, line 2, column 1: ")
        assert "is clock_hz the core's clock?" in said

    def test_a_board_file_that_was_damaged(self, do_import, refused):
        do_import(run(*lines()))
        (boards() / "board" / "my_board.yaml").write_text("name: [")
        assert "cannot be read as a board file" in refused(run(*lines()))

    @pytest.mark.parametrize("files", [(), ("a.log", "b.log")])
    def test_one_log_at_a_time(self, files):
        with pytest.raises(UsageError, match="allowed: one log"):
            importing.act(request(*files))

    @pytest.mark.parametrize(("flag", "changes"), [("--runs", {"runs": 5}), ("--json or --csv", {"form": "json"})])
    def test_flags_of_other_actions(self, flag, changes):
        with pytest.raises(UsageError, match=f"latency import takes no {flag}"):
            importing.act(request("uart.log", **changes))

    def test_the_command_line_ends_with_one_line_and_status_2(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        Path("uart.log").write_text(run(lines()[0][:50]))
        assert main(["latency", "import", "uart.log", "--board", "my_board"]) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith("error: uart.log, line 2, column ")
        assert captured.out == ""


def test_measuring_a_board_from_here_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match="--board: got 'stm32f746', allowed: host"):
        measure.act(request(board="stm32f746"))


class TestBench:
    def test_out_is_needed_and_nothing_is_overwritten(self, tmp_path):
        (tmp_path / "port.h").write_text("mine")
        with pytest.raises(OptionError, match="--out: got None"):
            bench.act(request(board=None))
        with pytest.raises(OptionError, match="new or empty"):
            bench.act(request(out=str(tmp_path)))
        with pytest.raises(OptionError, match="3 to 1000"):
            bench.act(request(out=str(tmp_path / "other"), runs=5000))

    def test_a_file_of_another_network(self, tmp_path):
        file = tmp_path / "tiny.tflite"
        file.write_bytes(mean_colour_tflite(96, (0.1, 0)))
        with pytest.raises(DataError, match=r"tiny\.tflite: not a headless MobileNetV2"):
            bench.act(request(str(file), out=str(tmp_path / "bench")))
        assert not (tmp_path / "bench").exists()

    def test_every_model_is_one_array_and_one_entry(self):
        content = mean_colour_tflite(32, (0.1, 0))
        models = [BenchModel(Network(name, Candidate(0.35, 96, 448), content), 4096) for name in ("a-1", "b.2")]
        files = bench_files(models, 10, "guessed")
        assert files["models.cmake"] == "set(BENCH_MODEL_NAMES a_1 b_2)\n"
        assert f"constexpr std::size_t g_a_1_bytes = {len(content)};" in files["models/a_1.h"]
        assert '{"b.2", "0.35", 96, 448, 3, g_b_2, g_b_2_bytes, 4096}' in files["models.cc"]
        assert "resolver.AddMean() == kTfLiteOk" in files["operators.h"]
        assert "MicroMutableOpResolver<1>" in files["operators.h"]
        assert "$" not in files["README.md"]

    def test_a_file_may_be_called_anything(self):
        names = ('1"; int x = "', "a\nb", "tail\\", "a|b`$x", "/" + "long" * 99)
        content = mean_colour_tflite(32, (0.1, 0))
        models = [BenchModel(Network(name, Candidate(0.35, 96, 448), content), 4096) for name in names]
        files = bench_files(models, 10, "guessed")
        assert '{"1__ int x _ _", "0.35", 96,' in files["models.cc"]
        assert files["models/tail_.cc"].startswith(f"// tail_.tflite, {len(content)} bytes.\n#include")
        assert "| 3 | a_b__x |" in files["README.md"]
        assert all(len(Path(name).name) < 120 for name in files)
        assert all(name.isascii() and "\\" not in one.name for one in models for name in (one.name, one.identifier))

    def test_files_whose_names_differ_in_case_only(self):
        content = mean_colour_tflite(32, (0.1, 0))
        models = [BenchModel(Network(name, Candidate(0.35, 96, 448), content), 4096) for name in ("a", "A")]
        with pytest.raises(UsageError, match="'a' and 'A' would both be called A in C"):
            bench._refuse_same_identifiers(models)

    def test_a_folder_that_cannot_be_made_is_told_before_anything_is_converted(self, tmp_path):
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(StorageError, match=r"cannot write .*file/bench/README\.md: Not a directory"):
            bench.act(request(out=str(tmp_path / "file" / "bench"), board=None))

    def test_an_operator_that_cannot_be_registered(self, monkeypatch):
        monkeypatch.setattr("facerec_core.latency.bench_project.RESOLVER_METHODS", {"ADD": "AddAdd"})
        model = BenchModel(Network("a", Candidate(0.35, 96, 448), mean_colour_tflite(32, (0.1, 0))), 4096)
        with pytest.raises(QuantizationError, match="no way to register MEAN"):
            bench_files([model], 10, "guessed")
