"""The command line in-process: verbs, flags, exit statuses. What the verbs start is replaced."""

import logging
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from facerec_core.errors import StorageError, TrainingError
from sweep.cli import main
from sweep.gallery.flags import FLAGS as GALLERY_FLAGS
from sweep.help import VERBS


class Recorder:
    """Stands in for a verb's module and remembers how it was called."""

    def __init__(self, status: int = 0, error: BaseException | None = None) -> None:
        self.calls: list[tuple] = []
        self.status, self.error = status, error

    def __call__(self, *args) -> int:
        self.calls.append(args)
        if self.error:
            raise self.error
        return self.status


@pytest.fixture
def stand_in(monkeypatch):
    def install(module: str, function: str, **kwargs) -> Recorder:
        recorder = Recorder(**kwargs)
        monkeypatch.setitem(sys.modules, f"sweep.{module}", SimpleNamespace(**{function: recorder}))
        return recorder

    return install


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert list(tmp_path.iterdir()) == [], "the command line itself must not write"


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_overview_names_every_verb_with_an_example(argv, capsys) -> None:
    assert main(argv) == 0
    out = capsys.readouterr().out
    for verb in VERBS.values():
        assert f"  {verb.name} " in out
        assert verb.summary in out
        assert f"python -m sweep {verb.name}" in out


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_lists_keys_groups_and_flags(verb, capsys) -> None:
    assert main([verb, "--help"]) == 0
    out = capsys.readouterr().out
    assert "width: 0.35" in out
    assert "budget=default" in out
    assert "default, none" in out
    assert "--config-dir DIR" in out
    assert ("--json" in out) == (verb in {"compare", "plan", "data", "latency", "status", *GALLERY_FLAGS})
    assert ("--port" in out) == (verb in {"ui", "studio"})


@pytest.mark.parametrize("verb", VERBS.values(), ids=lambda v: v.name)
def test_examples_in_the_help_work(verb, stand_in, capsys) -> None:
    stand_in("search", "run")
    stand_in("reference", "lay_out")
    stand_in("compare", "compare")
    for module, function in (("runner", "run_sweep"), ("reporting", "report"), ("ui", "serve"), ("status", "status")):
        stand_in(module, function)
    for action in ("measure", "bench", "importing", "simulate"):
        stand_in(f"latency.{action}", "act")
    for action in ("info", "prepare", "check", "fetch"):
        stand_in(f"data.{action}", "act")
    for action in ("enroll", "identify", "verify", "listing", "remove", "export"):
        stand_in(f"gallery.{action}", "act")
    stand_in("export.act", "act")
    stand_in("studio", "run")
    for example in verb.examples:
        assert main(shlex.split(example)) == 0


def test_version(capsys) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("0.")


def test_run_hands_one_point_to_the_runner(stand_in) -> None:
    runner = stand_in("runner", "run_sweep", status=1)
    assert main(["run", "width=0.5", "sweep=one"]) == 1
    ((points, invocation),) = runner.calls
    assert [p.candidate.width for p in points] == [0.5]
    assert (invocation.verb, invocation.command) == ("run", "python -m sweep run width=0.5 sweep=one")


def test_multirun_hands_over_every_point_and_a_command_one_can_paste(stand_in) -> None:
    runner = stand_in("runner", "run_sweep")
    assert main(["multirun", "width=choice(0.35, 0.5)", "res=96,128"]) == 0
    ((points, invocation),) = runner.calls
    assert [(p.width, p.res) for p in points] == [(0.35, 96), (0.35, 128), (0.5, 96), (0.5, 128)]
    assert shlex.split(invocation.command)[3:] == ["multirun", "width=choice(0.35, 0.5)", "res=96,128"]


def test_report_and_ui(stand_in) -> None:
    report, serve = stand_in("reporting", "report"), stand_in("ui", "serve")
    assert main(["report", "sweep=all", "target_far=1e-2"]) == 0
    assert main(["ui", "--port", "5001", "paths.root=elsewhere"]) == 0
    assert main(["report", "sweep=all"]) == 0
    (settings, target_far), (_, untouched) = report.calls
    assert (target_far, untouched) == (1e-2, None)  # the sweep's own, unless one is asked for
    assert (settings.sweep, settings.target_far) == ("all", 0.01)
    ((settings, port),) = serve.calls
    assert (settings.paths.root, port) == ("elsewhere", 5001)


def test_studio_takes_a_candidate_and_a_port(stand_in) -> None:
    run = stand_in("studio", "run")
    assert main(["studio", "candidate=3f2a", "sweep=demo", "--port", "7000", "--threshold", "0.4"]) == 0
    assert main(["studio"]) == 0
    ((flags, _, command), (plain, *_)) = run.calls
    assert (flags.candidate, flags.overrides, flags.port, flags.threshold) == ("3f2a", ["sweep=demo"], 7000, 0.4)
    assert command == "python -m sweep studio candidate=3f2a sweep=demo --port 7000 --threshold 0.4"
    assert (plain.candidate, plain.model, plain.gallery, plain.port) == ("BEST", None, None, 7860)


def test_data_hands_a_request_to_its_action(stand_in) -> None:
    check, prepare = stand_in("data.check", "act", status=1), stand_in("data.prepare", "act")
    assert main(["data", "check", "--out", "sheet.png", "data.seed=3", "--allow-shared"]) == 1
    assert main(["data", "prepare", "res=96,128"]) == 0
    ((checked,),) = check.calls
    assert (checked.out, checked.json, checked.allow_shared) == ("sheet.png", False, True)
    assert [point.data.seed for point in checked.points] == [3]
    ((prepared,),) = prepare.calls
    assert [point.res for point in prepared.points] == [96, 128]


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (StorageError("mlruns: the disk is full"), 2, "error: mlruns: the disk is full"),
        (TrainingError("the loss is nan"), 1, "error: the loss is nan"),
    ],
)
def test_exit_statuses(error, status, line, stand_in, capsys) -> None:
    stand_in("runner", "run_sweep", error=error)
    assert main(["run"]) == status
    assert capsys.readouterr().err == f"{line}\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("run width=abc", "width: got 'abc', allowed: 0.35 to 1.4; "),
        ("run widht=0.5", "unknown key 'widht', nearest: width"),
        ("run width=0.35,0.5", "width: got '0.35,0.5', allowed: one value; use multirun to sweep"),
        ("multirun sweep=latest", "sweep: got 'latest', allowed: any other name"),
        ("multirun paths.root=a,b", "paths: got 'several values', allowed: one value a sweep"),
        ("rnu", "unknown verb 'rnu', nearest: run"),
        ("xyzzy", f"unknown verb 'xyzzy', allowed: {', '.join(VERBS)}"),
        ("width=0.5", "no verb before 'width=0.5', allowed: run, "),
        ("--config-dir mine", "no verb given, allowed: run, "),
        ("plan --jsn", "unknown flag '--jsn', nearest: --json"),
        ("run --json", "unknown flag '--json', "),
        ("plan --json --csv", "argument --csv: not allowed with argument --json"),
        ("studio candidate= sweep=demo", "candidate: got '', allowed: BEST"),
        ("studio candidate=3f --model a.tflite", "candidate: got '3f', allowed: nothing beside --model"),
        ("studio --port 0", "--port: got '0', allowed: 1 to 65535"),
        ("ui --port 0", "--port: got '0', allowed: 1 to 65535"),
        ("ui --port x", "--port: got 'x', allowed: 1 to 65535"),
        ("ui --host 0.0.0.0", "unknown flag '--host', nearest: "),
        ("plan --config-dir nowhere", "--config-dir: got 'nowhere', allowed: an existing folder"),
        ("run --resolve", "--resolve and --package say how to print a configuration; add --cfg job"),
        ("run --cfg job widht=1", "unknown key 'widht', nearest: width"),
        ("--info nope", "argument -i/--info: invalid choice: 'nope'"),
        ("-sc install=zsh", "--shell-completion: got 'install=zsh', allowed: install=bash, uninstall=bash"),
    ],
)
def test_refusals_are_one_line_and_status_2(command, message, stand_in, capsys) -> None:
    runner = stand_in("runner", "run_sweep")
    assert main(shlex.split(command)) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"error: {message}")
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert runner.calls == []


class TestShow:
    @pytest.fixture(autouse=True)
    def quiet_root_logger(self):
        """Hydra's --info attaches a handler for standard output."""
        root = logging.getLogger()
        before, level = root.handlers[:], root.level
        yield
        root.handlers[:] = before
        root.setLevel(level)

    def test_cfg(self, capsys) -> None:
        assert main(["run", "--cfg", "job", "train.epochs=3", "--package", "train"]) == 0
        assert "epochs: 3" in capsys.readouterr().out
        assert main(["--cfg", "hydra"]) == 0
        assert "hydra:" in capsys.readouterr().out

    def test_resolve(self, capsys, monkeypatch) -> None:
        monkeypatch.setenv("SWEEP_ROOT", "/elsewhere")
        assert main(["--cfg", "job", "-p", "paths"]) == 0
        assert "${oc.env:SWEEP_ROOT,mlruns}" in capsys.readouterr().out
        assert main(["--cfg", "job", "-p", "paths", "--resolve"]) == 0
        assert "root: /elsewhere" in capsys.readouterr().out

    def test_a_package_that_is_not_there(self, capsys) -> None:
        assert main(["--cfg", "job", "-p", "nope"]) == 2
        assert "package 'nope' not found" in capsys.readouterr().err

    @pytest.mark.parametrize("topic", ["all", "config", "defaults", "defaults-tree", "plugins", "searchpath"])
    def test_info(self, topic, capsys) -> None:
        assert main(["run", "--info", topic, "+experiment=tiny"]) == 0
        out = capsys.readouterr().out
        assert {"plugins": "BashCompletion", "searchpath": "pkg://conf"}.get(topic, "experiment") in out

    def test_hydra_help(self) -> None:
        # In a process of its own: Hydra sets up logging for it, which closes what other tests' handlers write to.
        command, checkout = [sys.executable, "-m", "sweep", "--hydra-help"], Path(__file__).parents[2]
        said = subprocess.run(command, capture_output=True, text=True, cwd=checkout)
        assert (said.returncode, said.stderr) == (0, "")
        assert "Hydra" in said.stdout


class TestCompletion:
    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("", {"run", "plan"}),
            ("pl", {"plan"}),
            ("--v", {"--version"}),
            ("plan --", {"--json", "--config-dir"}),
            ("run tra", {"train=", "train.", "tracking="}),
            ("run train=", {"train=default", "train=thorough"}),
            ("run train.aug", {"train.augment."}),
            ("multirun width=0.35,0.5 +experiment=", {"+experiment=tiny"}),
            ("run width=", {"width=0.35"}),
        ],
    )
    def test_what_a_word_can_become(self, line, expected, capsys, monkeypatch) -> None:
        monkeypatch.setenv("COMP_LINE", f"python -m sweep {line}")
        assert main(["--shell-completion", "query=bash"]) == 0
        choices = set(capsys.readouterr().out.split())
        assert expected <= choices
        assert not any(choice.startswith("hydra") for choice in choices)

    def test_the_installed_program_completes_alike(self, capsys, monkeypatch) -> None:
        monkeypatch.setenv("COMP_LINE", "facerec-sweep run quant.qat.sc")
        assert main(["-sc", "query=bash"]) == 0
        assert capsys.readouterr().out == "quant.qat.scope=\n"
