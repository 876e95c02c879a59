"""SIGKILL at any moment, of a worker, of the driver or of both: the same command again completes the sweep.

What comes out is compared with an undisturbed run of the same command: the records but for their times, the files bit
for bit, the runs in the tracker, the report.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli import TINY
from tests.kills import Moment, Watch, killed_at, run_to_the_end

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="watches processes through /proc"),
]

RECIPE = (
    *TINY,
    "train.epochs=3",
    "quant.qat.epochs=2",
    "quant.qat.control=true",
    "embedding=16,24",
)
SWEEP = ("multirun", *RECIPE, "workers=2", "sweep=mine")
SEARCH = ("search", *RECIPE, "width=0.35", "search.trials=2", "sweep=found")
SEARCH_KILLS = 6
REPORT = ("report", "sweep=mine")
FEWEST = 20
SEED = 7
TIMES = {"started_unix", "ended_unix", "stage_seconds", "created_unix", "last_started", "seconds", "git_commit"}
"""Somebody may commit meanwhile."""
OWN_TAGS = {"last_started", "pid", "process_started", "sweep_run_id", "mlflow.parentRunId", "record_sha256"} | {
    "git_commit",
    "mlflow.source.git.commit",
}


def new(pattern: str):
    return lambda watch: bool(watch.new(pattern))


def said(text: str):
    return lambda watch: text in watch.log.read_text()


def recorded(pattern: str):
    return lambda watch: watch.new_runs(pattern)


def training(*, epoch: str, weights: str, stage: str) -> list[list[Moment]]:
    """Moments of a stage that trains: after an epoch, when its file is there, when it is finished."""
    return [
        [Moment(f"after an epoch of {stage}", "driver", new(epoch), 0.2, stage)],
        [
            Moment(f"after a later epoch of {stage}", "worker", new(epoch), 0.2, stage),
            Moment(f"before {stage} is renamed", "all", new(weights), 0.0, stage),
        ],
        [Moment(f"{stage} is finished", "driver", new(f"stages/{stage}-*"), 0.0, stage)],
    ]


EARLY = [
    [Moment("while it starts", "all", lambda watch: True, 2.0)],
    [Moment("reading the faces", "driver", new("cache/*"))],
    [Moment("making the database", "all", new("mlflow.db"), 0.5)],
    [Moment("the sweep has its run", "driver", said("results in"), 0.5)],
]
STAGES = [
    *training(epoch="stages/.resume-float-*", weights="stages/.float-*/weights.npz", stage="float"),
    [
        Moment("in ptq", "worker", new("stages/.ptq-*"), 1.0, "ptq"),
        Moment("ptq is finished", "all", new("stages/ptq-*"), 0.0, "ptq"),
    ],
    [Moment("in qat", "driver", new("stages/.qat-*"), 4.0, "qat")],
    *training(epoch="stages/.resume-qat-*", weights="stages/.qat-*/qat_int8.tflite", stage="qat"),
    [Moment("after an epoch of control", "all", new("stages/.resume-control-*"), 0.0, "control")],
    [
        Moment("in control", "worker", new("stages/.control-*"), 1.0, "control"),
        Moment("judging float32", "driver", new("stages/.eval-float32-*"), 0.0, "eval-float32"),
    ],
    [Moment("judging ptq_int8", "all", new("stages/.eval-ptq_int8-*"), 0.0, "eval-ptq_int8")],
    [Moment("judging qat_int8", "driver", new("stages/.eval-qat_int8-*"), 0.0, "eval-qat_int8")],
]
RECORDING = [
    [Moment("a record is on its way", "driver", new("unsent/*/*.json"))],
    [Moment("a candidate has its run", "all", recorded(r"0.35@96-\d+ RUNNING"))],
    [Moment("a variant has its run", "driver", recorded(r"0.35@96-\d+ float32 FINISHED"))],
    [Moment("a variant is written", "all", recorded(r"0.35@96-\d+ ptq_int8 FINISHED"))],
    [Moment("another record is on its way", "driver", new("unsent/*/*.json"), 0.3)],
    [Moment("another candidate has its run", "all", recorded(r"0.35@96-\d+ (RUNNING|FINISHED)"), 0.3)],
]
REPORTING = [
    [Moment("while the report starts", "driver", lambda watch: True, 2.0)],
    [Moment("the report's folder is made", "driver", new("reports/*"))],
    [Moment("a file of the report is written", "driver", new("reports/*/.*.part"))],
]


def kill_both_workers_twice(folder: Path, rng: random.Random) -> list[str]:
    """A candidate whose worker dies twice is recorded as failed, and the next start tries it again."""
    watch = Watch(folder, SWEEP)
    for _ in range(2):
        assert watch.until(lambda seen: len(seen.workers) == 2)
        time.sleep(rng.uniform(0.5, 3.0))
        watch.strike("workers", rng)
    assert watch.process.wait() == 1, watch.log.read_text()
    assert watch.log.read_text().count("its worker process died too often") >= 2
    return 2 * ["worker and the other, while TensorFlow is loaded", "worker and the other, again"]


def damage_a_checkpoint(folder: Path) -> None:
    """Half of one is lost, as by a power cut: its stage begins anew, and ends the same."""
    for path in sorted(folder.glob("mlruns/stages/.resume-float-*"))[:1]:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """A folder in which nobody was killed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    for command in (SWEEP, REPORT):
        run_to_the_end(folder, command)
    return folder


@pytest.fixture(scope="module")
def survived(tmp_path_factory) -> tuple[Path, list[str]]:
    """A folder in which the same command was killed again and again and then ran to its end, and each kill."""
    folder, rng = tmp_path_factory.mktemp("killed"), random.Random(SEED)  # noqa: S311 - nothing secret
    hits: list[str] = []
    for moments in EARLY:
        hits += killed_at(folder, SWEEP, moments, rng)
    hits += kill_both_workers_twice(folder, rng)
    for moments in (*STAGES, *RECORDING):
        hits += killed_at(folder, SWEEP, moments, rng)
        if moments is STAGES[0]:
            damage_a_checkpoint(folder)
    run_to_the_end(folder, SWEEP)
    again = [Moment("a finished sweep is started again", "driver", started_again)]
    hits += killed_at(folder, SWEEP, again, rng)
    run_to_the_end(folder, SWEEP)
    for moments in REPORTING:
        hits += killed_at(folder, REPORT, moments, rng)
    run_to_the_end(folder, REPORT)
    return folder, hits


def started_again(watch: Watch) -> bool:
    return bool(watch.new("status/mine.json")) and "results in" in watch.log.read_text()


def plain(value: Any) -> Any:
    """JSON without times, whatever lies how deep."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items() if key not in TIMES}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def loaded_records(folder: Path, name: str) -> list[Any]:
    from facerec_core.record_json import dump_record
    from sweep.tracking import Tracker

    tracker = Tracker.open(folder / "mlruns", None, "facerec-sweep", create=False)
    (found,) = tracker.find_sweeps(name)
    return [plain(json.loads(dump_record(record))) for record in tracker.load_records(found)]


def tracked(folder: Path) -> list[Any]:
    """Every run that is not in the bin, with all that has no time in it."""
    from sweep.tracking import Tracker

    tracker = Tracker.open(folder / "mlruns", None, "facerec-sweep", create=False)
    return sorted(
        (
            run.info.run_name,
            run.info.status,
            sorted(run.data.params.items()),
            sorted((key, value) for key, value in run.data.metrics.items() if "seconds" not in key),
            sorted((key, value) for key, value in run.data.tags.items() if key not in OWN_TAGS),
        )
        for run in tracker._runs.search("attributes.status != ''")
    )


def stage_files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a stage, by its path; those that tell seconds, without them."""
    found = {}
    for path in sorted((folder / "mlruns" / "stages").rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if path.suffix == ".json":
                content = json.dumps(plain(json.loads(content))).encode()
            found[str(path.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return found


def test_there_were_enough_kills_at_different_points(survived) -> None:
    _, hits = survived
    assert len({hit.split(";")[0] for hit in hits}) >= FEWEST, hits
    assert {hit.split()[0] for hit in hits} == {"driver", "worker", "all"}


def test_the_files_are_the_same_bit_for_bit_and_nothing_is_left_over(undisturbed, survived) -> None:
    expected = stage_files(undisturbed)
    assert len([name for name in expected if name.endswith(".tflite")]) == 8
    assert stage_files(survived[0]) == expected
    root = survived[0] / "mlruns"
    assert [path.name for path in (root / "stages").iterdir() if path.name.startswith(".")] == []
    assert not (root / "unsent").exists()


def test_the_records_are_the_same_but_for_their_times(undisturbed, survived) -> None:
    expected = loaded_records(undisturbed, "mine")
    assert [record["status"] for record in expected] == ["complete", "complete"]
    assert loaded_records(survived[0], "mine") == expected


def test_every_candidate_is_in_the_tracker_exactly_once(undisturbed, survived) -> None:
    expected = tracked(undisturbed)
    assert len(expected) == 1 + 2 * (1 + 4)
    assert {status for _, status, *_ in expected} == {"FINISHED"}
    assert tracked(survived[0]) == expected


def test_the_report_is_the_same_but_for_its_times(undisturbed, survived) -> None:
    expected, found = (
        plain(json.loads((folder / "mlruns" / "reports" / "mine" / "report.json").read_text()))
        for folder in (undisturbed, survived[0])
    )
    assert found == expected


def journal_lines(root: Path) -> int:
    path = root / "optuna.journal"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def further(root: Path, lines: int):
    """The search has written so many further lines about its trials."""
    wanted = journal_lines(root) + lines
    return lambda watch: journal_lines(watch.root) >= wanted


@pytest.fixture(scope="module")
def searched(undisturbed, tmp_path_factory) -> Path:
    """A search that was killed again and again, and then ran to its end; what it needs is trained, but not judged."""
    folder, rng = tmp_path_factory.mktemp("searched"), random.Random(SEED)  # noqa: S311 - nothing secret
    for part in ("stages", "cache"):
        shutil.copytree(undisturbed / "mlruns" / part, folder / "mlruns" / part)
    for judged in folder.glob("mlruns/stages/eval-*"):
        shutil.rmtree(judged)
    moments = [
        [Moment("the study grows", "driver", further(folder / "mlruns", rng.randint(1, 4)))],
        [Moment("judging", "worker", new("stages/.eval-*")), Moment("judged", "all", new("stages/eval-qat_int8-*"))],
        [Moment("a record is on its way", "driver", new("unsent/*/*.json"))],
    ]
    hits = [hit for each in moments for hit in killed_at(folder, SEARCH, each, rng)]
    while len(hits) < SEARCH_KILLS:
        grown = Moment("the study grows", "driver", further(folder / "mlruns", rng.randint(1, 3)))
        hit = killed_at(folder, SEARCH, [grown], rng)
        if not hit:
            break
        hits += hit
    assert len(hits) >= len(moments)
    run_to_the_end(folder, SEARCH)
    return folder


def test_a_search_is_told_of_every_candidate_once(undisturbed, searched) -> None:
    from sweep.search.storage import open_storage

    storage, _, dropped = open_storage(searched / "mlruns", None)
    assert dropped == 0
    (study,) = storage.get_all_studies()
    trials = storage.get_all_trials(study._study_id)
    told = [t.user_attrs["candidate"] for t in trials if t.user_attrs.get("standing") == "trained"]
    assert len(told) == len(set(told)) == 2
    unfinished = [t for t in trials if not t.state.is_finished()]
    assert all("candidate" not in t.user_attrs for t in unfinished), "killed before anything was begun"
    names = sorted(name for name, *_ in tracked(searched))
    assert names == sorted("found" if name == "mine" else name for name, *_ in tracked(undisturbed))
    assert stage_files(searched) == stage_files(undisturbed)
