"""The command that trains one candidate of a sweep alone."""

import dataclasses

import pytest

from analysis.repeat import repeat_command
from tests.records import make_records

CONFIG = {
    "width": 0.5,
    "res": 128,
    "embedding": "scaled",
    "last": None,
    "seed": 2,
    "train": {"lr": 0.01, "loss": "arcface"},
}
RECORD = dataclasses.replace(make_records(1)[0], config=CONFIG)
ONE = "width=0.5 res=128 embedding=scaled last=null seed=2"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("multirun width=0.35,0.5 res=96,128 seed=1,2", ONE),
        (
            "multirun 'width=choice(0.35,0.5)' data=folder data.root=faces/ sweep=demo",
            f"data=folder data.root=faces/ {ONE}",
        ),
        ("multirun train.lr=0.1,0.01 +experiment=tiny", f"+experiment=tiny {ONE} train.lr=0.01"),
        ("run train.lr=0.01 --config-dir my_conf", f"train.lr=0.01 --config-dir my_conf {ONE}"),
    ],
)
def test_what_was_swept_has_this_candidates_value_and_the_rest_stays(typed, expected):
    assert repeat_command([f"python -m sweep {typed}"], RECORD) == f"python -m sweep run {expected}"


def test_a_search_is_repeated_with_what_it_proposed():
    space = {"space": {"width": [0.35, 0.5], "train": {"lr": {"low": 0.001, "high": 0.1}}}}
    record = dataclasses.replace(RECORD, config={**CONFIG, "search": space})
    assert repeat_command(["python -m sweep search workers=2"], record) == (
        f"python -m sweep run workers=2 {ONE} train.lr=0.01"
    )


@pytest.mark.parametrize(
    "command",
    ["", "make demo", "python -m sweep report", "python -m sweep multirun data=lfw,celeba", "python -m 'sweep"],
)
def test_what_cannot_be_said_for_certain_is_not_said(command):
    assert repeat_command([command], RECORD) == ""


def test_of_commands_that_come_to_the_same_the_last_is_repeated():
    typed = ["python -m sweep multirun width=0.35,0.5", "python -m sweep run width=0.5 workers=2 executor.threads=1"]
    assert repeat_command(typed, RECORD) == f"python -m sweep run workers=2 executor.threads=1 {ONE}"


def test_the_command_that_trained_it_is_the_one_to_repeat():
    typed = ["python -m sweep multirun +experiment=lfw_quick", "python -m sweep multirun +experiment=lfw_best"]
    record = dataclasses.replace(RECORD, command=typed[0])
    assert repeat_command(typed, record) == f"python -m sweep run +experiment=lfw_quick {ONE}"


def test_of_different_commands_none_is_repeated_where_the_record_names_none():
    typed = ["python -m sweep multirun +experiment=lfw_quick", "python -m sweep multirun +experiment=lfw_best"]
    assert repeat_command(typed, RECORD) == ""
