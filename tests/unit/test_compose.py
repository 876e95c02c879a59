"""From override lines to validated settings."""

import json
import re
import shlex
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from hypothesis import given, settings
from hypothesis import strategies as st

import conf
from facerec_core.errors import OptionError, UsageError
from sweep.compose import Composer, open_composer
from sweep.grid import expand
from sweep.schema import Settings, check_sweep, make_settings

CONF = Path(str(conf.__file__)).parent
FILES = sorted(CONF.rglob("*.yaml"))
GROUPS = [f"{f.parent.name}={f.stem}" for f in FILES if f.parent != CONF]


@pytest.fixture(scope="module")
def composer():
    return open_composer()


def axes(points: tuple[Settings, ...]) -> list[tuple[float, int]]:
    return [(p.width, p.res) for p in points]


@pytest.mark.parametrize(
    "lines",
    [
        ["width=0.35,0.5", "res=96,128", "seed=1,2,3", "train.epochs=4"],
        ["train=default,distilled", "train.epochs=1,2", "train.teacher=null"],
        ["sweep=null", "train.init=none,imagenet", "data.root=null,faces"],
        ["train.augment={flip:false},{flip:true}", "seed=1,2"],
        ["seed=1,2", "res=${seed}00"],
    ],
)
def test_points_of_a_sweep_equal_those_composed_one_by_one(composer: Composer, lines: list[str]) -> None:
    overrides = composer.parse(lines)
    try:
        alone = [composer.one(point) for point in expand(overrides)]
    except UsageError as error:
        with pytest.raises(type(error), match=re.escape(str(error))):
            composer.many(lines)
        return
    assert list(composer.many(lines)) == list(dict.fromkeys(alone))


def test_defaults_are_the_smallest_published_network(composer: Composer) -> None:
    point = composer.one([])
    assert (point.candidate.width, point.candidate.resolution, point.candidate.embedding) == (0.35, 96, 448)
    assert point.board.name == "stm32f746"
    assert point.budget.parameter_bytes == 1_000_000
    assert point.budget.latency.limit_ms == 500
    assert point.recipe.target_far == 1e-3


@pytest.mark.parametrize("choice", GROUPS)
def test_every_option_of_every_group_is_valid(composer: Composer, choice: str) -> None:
    assert composer.one([choice, "data.root=faces", "data.train_root=more", "train.teacher=teacher.npz"])


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(CONF)))
def test_every_value_has_a_comment(file: Path) -> None:
    values = [line for line in file.read_text().splitlines() if re.match(r"\s*\w+: *[^\s#]", line)]
    assert [line for line in values if "#" not in line] == []


@pytest.mark.parametrize("file", sorted((CONF / "experiment").glob("*.yaml")), ids=lambda f: f.stem)
def test_every_experiment_carries_the_command_that_runs_it(composer: Composer, file: Path) -> None:
    command = next(line for line in file.read_text().splitlines() if line.startswith("# python -m sweep "))
    verb, *lines = shlex.split(command.removeprefix("# python -m sweep "))
    assert verb == "multirun"
    assert f"+experiment={file.stem}" in lines
    assert len(composer.many(lines)) >= 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("width=0.35,0.5", [0.35, 0.5]),
        ("width=choice(0.35,0.5)", [0.35, 0.5]),
        ("width=range(0.35,0.55,0.05)", [0.35, 0.4, 0.45, 0.5]),
        ("width=range(0.5,1.1,0.1)", [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        ("width=sort(1,0.5,0.75)", [0.5, 0.75, 1.0]),
        ("width=0.5,0.50,0.5", [0.5]),
        ("width=1", [1.0]),
        ("++width=0.5,0.75", [0.5, 0.75]),
    ],
)
def test_sweep_grammar_over_widths(composer: Composer, line: str, expected: list[float]) -> None:
    assert [p.width for p in composer.many([line])] == expected


@given(start=st.integers(35, 140), step=st.integers(1, 30), count=st.integers(1, 6))
@settings(max_examples=20, deadline=None)
def test_ranges_give_the_decimals_one_would_write(composer: Composer, start: int, step: int, count: int) -> None:
    hundredths = [h for h in range(start, start + step * count, step) if h <= 140]
    stop = hundredths[-1] + step
    points = composer.many([f"width=range({start / 100},{stop / 100},{step / 100})"])
    assert [p.width for p in points] == [h / 100 for h in hundredths]


def test_the_product_varies_the_last_key_fastest(composer: Composer) -> None:
    points = composer.many(["width=0.35,0.5", "res=range(96,160,32)"])
    assert axes(points) == [(0.35, 96), (0.35, 128), (0.5, 96), (0.5, 128)]


def test_groups_sweep_beside_values(composer: Composer) -> None:
    points = composer.many(["train=default,thorough", "train.batch_size=32", "seed=1,2"])
    assert [(p.train.label_smoothing, p.seed) for p in points] == [(0.0, 1), (0.0, 2), (0.1, 1), (0.1, 2)]
    assert {p.train.batch_size for p in points} == {32}
    assert len(composer.many(["budget=glob(*)"])) == 2


def test_default_grid_only_when_no_axis_is_given(composer: Composer) -> None:
    points = composer.many([], default_grid=True)
    assert len(points) == 30
    assert {p.res for p in points} == {96, 128, 160, 192, 224}
    assert axes(composer.many(["width=0.5"], default_grid=True)) == [(0.5, 96)]
    assert axes(composer.many(["grid.width=[1]", "grid.res=[96,224]"], default_grid=True)) == [(1.0, 96), (1.0, 224)]


def test_an_experiment_can_be_chosen_with_and_without_plus(composer: Composer) -> None:
    assert composer.one(["+experiment=tiny"]) == composer.one(["experiment=tiny"]) != composer.one([])


def test_debug_wins_over_the_experiment(composer: Composer) -> None:
    assert composer.one(["experiment=lfw_identities", "debug=fast", "data.root=x"]).train.epochs == 1


def test_the_config_of_a_point_is_json_and_gives_the_point_back(composer: Composer) -> None:
    point = composer.one(["width=0.50001", "experiment=tiny"])
    assert point.config["width"] == 0.5
    assert make_settings(json.loads(json.dumps(point.config))) == point


def test_environment_moves_the_results(composer: Composer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert composer.one([]).paths.root == "mlruns"
    monkeypatch.setenv("SWEEP_ROOT", "/elsewhere")
    assert composer.one([]).paths.root == "/elsewhere"


WIDTHS = "allowed: 0.35 to 1.4; published widths: 0.35, 0.5, 0.75, 1.0, 1.3, 1.4"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("width=0", f"width: got 0.0, {WIDTHS}"),
        ("width=-1", f"width: got -1.0, {WIDTHS}"),
        ("width=3", f"width: got 3.0, {WIDTHS}"),
        ("width=nan", f"width: got nan, {WIDTHS}"),
        ("width=abc", f"width: got 'abc', {WIDTHS}"),
        ("width=true", f"width: got True, {WIDTHS}"),
        ("res=100", "res: got 100, allowed: 96, 128, 160, 192, 224"),
        ("res=96.5", "res: got 96.5, allowed: 96, 128, 160, 192, 224"),
        ("embedding=scled", "embedding: got 'scled', allowed: a whole number or scaled"),
        ("workers=0", "workers: got 0, allowed: a whole number of at least 1"),
        ("sweep=a/b", "sweep: got 'a/b', allowed: letters, "),
        ("seed=true", "seed: got True, allowed: a whole number"),
        ("train.epochs=2.5", "train.epochs: got 2.5, allowed: a whole number"),
        ("train.loss=x", "train.loss: got 'x', allowed: softmax, arcface, cosface or none"),
        ("budget.latency=4", "budget.latency: got 4, allowed: a group of keys"),
        ("quant.qat.scope=x", "quant.qat.scope: got 'x', allowed: a whole number or all"),
        (
            "data=folder",
            "data.root: got None, allowed: a folder or .zip with one folder an identity; set data.root=PATH",
        ),
        ("data.root=???", "data.root: got '???', allowed: a value"),
        ("widht=1", "unknown key 'widht', nearest: width"),
        ("trian=default", "unknown key 'trian', nearest: train"),
        ("experimnt=tiny", "unknown key 'experimnt', nearest: experiment"),
        ("train.epoch=1", "unknown key 'train.epoch', nearest: train.epochs"),
        ("+train.epoch=1", "unknown key 'train.epoch', nearest: train.epochs"),
        ("+xyzzy=1", "unknown key 'xyzzy', `python -m sweep run --cfg job` lists the keys"),
        ("~train", "train: got None, allowed: a value"),
        ("train=fst", "train: got 'fst', allowed: default, distilled, thorough"),
        ("budget=5", "budget: got 5, allowed: default, none"),
        ("width", "cannot read 'width', missing EQUAL"),
        ("width=0.5,", "cannot read 'width=0.5,'; write KEY=VALUE"),
        ("width=rnge(1,2)", "cannot read 'width=rnge(1,2)', "),
        ("width=interval(0,1)", "width: got 'interval(0,1)', allowed: values one can count"),
        ("res=range(224,96,32)", "res: got 'range(224,96,32)', allowed: at least one value"),
        ("res=range(96,224,0)", "res: got 'range(96,224,0)', allowed: a range with a step other than 0"),
        ("width=range(0.5,1,0.0)", "width: got 'range(0.5,1,0.0)', allowed: a range with a step other than 0"),
        ("paths.root=${nope}", "paths.root: Interpolation key 'nope' not found"),
        ("seed=1,-1", "seed: got -1, allowed: a finite number of at least 0"),
    ],
)
def test_bad_input_is_one_line(composer: Composer, lines: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        composer.many([lines])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_one_point_refuses_a_sweep(composer: Composer) -> None:
    with pytest.raises(OptionError, match=r"width: got '0.35,0.5', allowed: one value; use multirun to sweep"):
        composer.one(["width=0.35,0.5"])


@pytest.mark.parametrize("line", ["paths.root=a,b", "board=glob(*)", "target_far=1e-2,1e-3", "sweep=a,b"])
def test_what_a_sweep_has_one_of_cannot_be_swept(composer: Composer, line: str) -> None:
    with pytest.raises(OptionError, match="one value a sweep"):
        check_sweep(composer.many([line]))


class TestOwnFolder:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name, text in {
            "train/mine.yaml": "defaults: [default, _self_]\nepochs: 77\n",
            "paths/default.yaml": "root: mine\n",
            "experiment/own.yaml": (
                "# @package _global_\ndefaults:\n  - override /train: mine\n"
                "hydra: {sweeper: {params: {res: '96,128', width: '0.5,0.75'}}}\n"
            ),
            "small.yaml": "defaults: [config, _self_]\nseed: 5\n",
            "train/broken.yaml": "epochs: [1\n",
            "train/binary.yaml": "\x00",
            "train/partial.yaml": "epochs: 3\n",
            "train/code.yaml": "epochs: !!python/object/apply:os.mkdir [pwned]\n",
        }.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        return tmp_path

    def test_its_groups_are_found_and_preferred(self, folder: Path) -> None:
        composer = open_composer(str(folder))
        point = composer.one(["train=mine"])
        assert (point.train.epochs, point.paths.root) == (77, "mine")

    def test_an_experiment_may_state_its_own_sweep(self, folder: Path) -> None:
        composer = open_composer(str(folder))
        points = composer.many(["experiment=own", "width=1"])
        assert composer.one(["experiment=own"]).res == 96
        assert axes(points) == [(1.0, 96), (1.0, 128)]
        assert {p.train.epochs for p in points} == {77}

    def test_another_root_file(self, folder: Path) -> None:
        composer = open_composer(str(folder), "small")
        assert composer.one([]).seed == 5

    @pytest.mark.parametrize(
        ("option", "message"),
        [
            ("broken", "not a configuration file: .*broken.yaml"),
            ("binary", "not a configuration file: "),
            ("partial", "train.*: got None, allowed: a value; start a file of your own from"),
            ("code", "not a configuration file: could not determine a constructor"),
        ],
    )
    def test_damaged_files(self, folder: Path, option: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(folder)
        with pytest.raises(UsageError, match=message) as caught:
            open_composer(str(folder)).one([f"train={option}"])
        assert "\n" not in str(caught.value)
        assert not (folder / "pwned").exists()

    def test_missing_folder_and_missing_root_file(self, folder: Path) -> None:
        with pytest.raises(OptionError, match="--config-dir: got 'nowhere'"):
            open_composer("nowhere")
        with pytest.raises(UsageError, match="no configuration file 'nope'"):
            open_composer(None, "nope").one([])


def test_composing_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_composer().many(["width=0.35,0.5"])
    assert list(tmp_path.iterdir()) == []
    assert not GlobalHydra.instance().is_initialized()
