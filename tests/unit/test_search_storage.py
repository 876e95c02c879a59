"""Where a study is kept: the journal file and what may have happened to it, and addresses that lead nowhere."""

from __future__ import annotations

import pytest

from facerec_core.errors import OptionError, StorageError, UsageError
from sweep.search.samplers import check_sampler
from sweep.search.space import read_space
from sweep.search.storage import JOURNAL, open_storage, without_password
from tests.searching import names, search
from tests.settings import composer


def test_a_torn_last_line_is_dropped_and_the_search_goes_on(tmp_path):
    begun = names(search(tmp_path).carry_through(most=2))
    journal = tmp_path / JOURNAL
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 4, "work')
    assert open_storage(tmp_path, None)[2] == 20
    assert journal.read_bytes() == whole
    rest = names(search(tmp_path).carry_through())
    assert sorted(begun + rest) == ["0.35@128-448", "0.35@96-448", "0.5@128-640", "0.5@96-640"]
    assert search(tmp_path).carry_through() == []


def test_a_last_line_that_lacks_only_its_end_is_kept(tmp_path):
    search(tmp_path).carry_through(most=1)
    journal = tmp_path / JOURNAL
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-1])
    assert open_storage(tmp_path, None)[2] == 0
    assert journal.read_bytes() == whole


def test_a_damaged_line_within_the_journal_is_named_and_nothing_is_changed(tmp_path):
    search(tmp_path).carry_through(most=1)
    journal = tmp_path / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    damaged = b"".join([*lines[:3], b'{"op_code": 4, "wo\n', *lines[4:]])
    journal.write_bytes(damaged)
    with pytest.raises(StorageError, match=r"optuna\.journal:4:\d+: not a line of an Optuna journal; put a copy back"):
        open_storage(tmp_path, None)
    assert journal.read_bytes() == damaged


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("sqlite:////nowhere/at/all/study.db", "unable to open database file"),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/study", "connection"),
        ("foo://somewhere", "search.storage: got 'foo://somewhere', allowed: sqlite:///FILE"),
        ("postgresql+nodriver://127.0.0.1/study", "search.storage: got"),
        ("/proc/no/such/file.journal", "search.storage=FILE"),
    ],
)
def test_a_storage_that_cannot_be_used_is_one_line_without_the_password(tmp_path, address, complaint):
    with pytest.raises(UsageError) as caught:
        open_storage(tmp_path, address)
    assert complaint in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_database_keeps_a_study_as_well(tmp_path):
    address = f"search.storage=sqlite:///{tmp_path}/study.db"
    begun = names(search(tmp_path, address).carry_through(most=3))
    assert len(names(search(tmp_path, address).carry_through())) == 4 - len(begun)
    assert not (tmp_path / JOURNAL).exists()


def test_a_study_of_somebody_else_is_left_alone(tmp_path):
    import optuna

    storage, _, _ = open_storage(tmp_path, None)
    optuna.create_study(study_name="s", storage=storage, directions=["maximize"] * 3).add_trial(
        optuna.trial.create_trial(values=[1.0, 2.0, 3.0])
    )
    with pytest.raises(StorageError, match="study 's' was not made by this command; set sweep=NAME"):
        search(tmp_path)


def test_passwords_are_not_shown_or_logged():
    address = "postgresql+psycopg://me:secret@db.example.org/study"
    assert without_password(address) == "postgresql+psycopg://me:***@db.example.org/study"
    assert "secret" not in str(composer().searching([f"search.storage={address}"]).config)


def test_a_sampler_without_its_packages_says_what_to_install(monkeypatch):
    monkeypatch.setattr("sweep.search.samplers.find_spec", lambda name: None)
    space = read_space(composer().searching(["search.sampler=gp"]))
    with pytest.raises(OptionError, match="pip install torch scipy"):
        check_sampler(space.base.search, space)


def test_a_grid_of_a_range_is_refused():
    space = read_space(composer().searching(["search.sampler=grid", "train.margin=interval(0.1,0.5)"]))
    with pytest.raises(OptionError, match=r"give search\.space\.train\.margin a step or a list"):
        check_sampler(space.base.search, space)
