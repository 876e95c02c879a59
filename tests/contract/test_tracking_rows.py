"""A candidate written into the tables is, row for row and file for file, what MLflow's client writes."""

import itertools
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from facerec_core.errors import StorageError
from sweep import tracking_write
from sweep.tracking import Tracker
from sweep.tracking_family import Family, RunSheet, send_family
from sweep.tracking_rows import insert_family, latest
from sweep.tracking_runs import Runs, local_folder
from sweep.tracking_store import mlflow_errors
from sweep.tracking_write import Sheet, look_up
from tests.records import as_failed, make_records
from tests.sweeps import varied_records, write_files

TABLES = ("runs", "tags", "params", "metrics", "latest_metrics")
WAYS = (send_family, insert_family)
_numbers = itertools.count()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("mlruns")


@pytest.fixture
def runs(root):
    tracker = Tracker.open(root, None, f"experiment {next(_numbers)}")
    return tracker._runs


def family_of(runs, record, folder):
    """What a sweep would write of a record, below a run that stands for it."""
    above = runs.create("sweep", {"level": "sweep", "sweep": "demo", "target_far": "1e-3"}).info.run_id
    held = look_up(runs, above)
    return tracking_write._family(held, above, Sheet(record, '{"config": {"width": 0.35}}', "digest", folder, {}))


def rows_of(root, run_ids):
    """Every column of every row of some runs, as they were written; a run is told by its place in the list."""
    places = {run_id: f"run {place}" for place, run_id in enumerate(run_ids)}

    def plain(value):
        for run_id, place in places.items():
            value = value.replace(run_id, place) if isinstance(value, str) else value
        return value

    with closing(sqlite3.connect(root / "mlflow.db")) as database:
        database.row_factory = sqlite3.Row
        return {
            table: [
                str({column: plain(row[column]) for column in row.keys()})  # noqa: SIM118 - a row is no mapping
                for row in database.execute(f"select * from {table} order by rowid")  # noqa: S608 - a constant
                if row["run_uuid"] in places
            ]
            for table in TABLES
        }


def files_of(runs, run_ids):
    folders = [local_folder(runs.client.get_run(run_id).info.artifact_uri) for run_id in run_ids]
    return [sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) for folder in folders]


def written(runs, family, way):
    """Ids of the family's runs, the candidate's first."""
    with mlflow_errors("the store"):  # for its warnings
        own = way(runs, family)
    below = runs.search(f"tags.`mlflow.parentRunId` = '{own}'")
    return [own, *(run.info.run_id for run in sorted(below, key=lambda run: run.info.run_name))]


@pytest.mark.parametrize(
    "record", [varied_records()[0], as_failed(make_records(3)[2]), make_records(30)[-1]], ids=lambda r: r.status
)
def test_both_ways_leave_the_same_rows_and_files(runs, root, tmp_path, record):
    write_files([record], tmp_path)
    family = family_of(runs, record, tmp_path)
    sent, inserted = ([*written(runs, family, way), family.above] for way in WAYS)
    assert len(sent) == 2 + len(record.variants)
    assert rows_of(root, inserted) == rows_of(root, sent)
    assert files_of(runs, inserted[:-1]) == files_of(runs, sent[:-1])


def test_a_long_parameter_repeated_points_and_many_of_them_are_treated_as_mlflow_does(runs, root):
    curve = tuple(("loss", value, step) for value, step in [(1.0, 3), (2.0, 3), (9.0, 1), (1.0, 3), (0.0, 0)])
    many = tuple((f"metric {number}", float(number), 0) for number in range(1200))
    sheet = RunSheet("long", {}, {"words": "w" * 7000}, (*curve, *many), lambda folder: None)
    family = Family(runs.create("sweep", {}).info.run_id, sheet, (), 1.0, 2.0, "FINISHED")
    sent, inserted = ([*written(runs, family, way), family.above] for way in WAYS)
    assert rows_of(root, inserted) == rows_of(root, sent)
    assert runs.client.get_run(inserted[0]).data.metrics["loss"] == 2.0


def test_the_latest_point_is_of_the_last_step_and_of_these_the_largest():
    assert latest([("a", 5.0, 1), ("a", 1.0, 2), ("a", 3.0, 2), ("a", 2.0, 2), ("b", 0.0, 0)]) == [
        ("a", 3.0, 2),
        ("b", 0.0, 0),
    ]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, StorageError])
def test_what_fails_half_way_was_never_there(runs, root, error):
    def fails(folder):
        (folder / "begun").write_bytes(b"")
        raise error

    whole = RunSheet("whole", {}, {}, (), lambda folder: (folder / "file").write_bytes(b""))
    family = Family(runs.create("sweep", {}).info.run_id, whole, (replace(whole, fill=fails),), 1.0, 2.0, "FINISHED")
    before = set(local_folder(runs.location).iterdir())
    with pytest.raises(error):
        insert_family(runs, family)
    assert len(runs.search("attributes.status != ''")) == 1
    assert set(local_folder(runs.location).iterdir()) == before


def test_a_server_and_files_elsewhere_are_written_through_the_client(runs):
    assert runs.reached_directly()
    assert not Runs(runs.client, runs.experiment_id, "http://127.0.0.1:5000").reached_directly()
    experiment = runs.client.create_experiment("elsewhere", "s3://bucket/folder")
    assert not Runs(runs.client, experiment, runs.uri).reached_directly()
