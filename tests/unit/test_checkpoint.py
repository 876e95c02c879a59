from types import SimpleNamespace

import numpy as np
import pytest

from facerec_core.checkpoint import Checkpoint, Journal, State
from facerec_core.errors import StorageError
from facerec_core.stages import StageStore
from facerec_core.types import CurvePoint

CURVES = (CurvePoint("train", 1, {"loss": 0.1 + 0.2, "accuracy": 1 / 3}), CurvePoint("finetune", 1, {"loss": 2.5}))


class Variable:
    """What a checkpoint needs of a variable of TensorFlow."""

    def __init__(self, value):
        self.value = np.asarray(value)
        self.shape, self.dtype = self.value.shape, SimpleNamespace(as_numpy_dtype=self.value.dtype.type)

    def numpy(self):
        return self.value

    def assign(self, value):
        self.value = value


def variables(fill=0.0):
    return [Variable(np.full((2, 3), fill, np.float32)), Variable(np.int64(fill))]


@pytest.fixture
def said():
    return []


@pytest.fixture
def path(tmp_path):
    return StageStore(tmp_path).checkpoint("float", "key")


@pytest.fixture
def checkpoint(path, said):
    return Checkpoint(path, "key", said.append)


def write(checkpoint, fill=1.0, phase="finetune"):
    checkpoint.write(State(phase, 1, CURVES, [variable.numpy() for variable in variables(fill)]))


def test_a_state_is_read_back_to_the_bit_and_said(checkpoint, said, path):
    write(checkpoint)
    state = checkpoint.read()
    assert (state.phase, state.epoch, state.curves) == ("finetune", 1, CURVES)
    target = variables()
    state.restore(target)
    assert [variable.value.tolist() for variable in target] == [[[1.0] * 3] * 2, 1]
    assert said == ["going on after epoch 1 of finetune"]
    assert [file.name for file in path.parent.iterdir()] == [".resume-float-key.npz"], "no temporary file stays"


def test_without_a_checkpoint_nothing_is_read_or_said(checkpoint, said):
    assert checkpoint.read() is None
    assert said == []


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_half_a_file_is_discarded_and_said(checkpoint, said, path, share):
    write(checkpoint)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert checkpoint.read() is None
    assert not path.exists()
    assert "it is damaged" in said[0]


def test_a_flipped_bit_is_noticed(checkpoint, said, path):
    write(checkpoint, fill=7.0)
    content = bytearray(path.read_bytes())
    content[content.index(np.full(6, 7.0, np.float32).tobytes())] ^= 1
    path.write_bytes(content)
    assert checkpoint.read() is None
    assert "it is damaged" in said[0]


def test_the_checkpoint_of_another_stage_is_discarded(checkpoint, path, said):
    write(Checkpoint(path, "other", said.append))
    assert checkpoint.read() is None
    assert not path.exists()
    assert "it belongs to another stage" in said[0]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(StorageError, match=r"cannot write .*absent.*paths\.root"):
        write(Checkpoint(tmp_path / "absent" / ".resume-float-key.npz", "key", print))


def test_a_journal_goes_on_after_the_last_epoch_and_skips_the_phases_before(checkpoint):
    write(checkpoint)
    journal = Journal(checkpoint)
    assert journal.goes_on
    assert (journal.is_over("train"), journal.is_over("finetune")) == (True, False)
    assert journal.resume("train", variables()) == 0
    target = variables()
    assert journal.resume("finetune", target) == 1
    assert target[1].value == 1
    assert tuple(journal.curves) == CURVES
    assert journal.of("finetune") == [CURVES[1]]


def test_every_epoch_is_safe_before_anybody_hears_of_it(checkpoint):
    heard = []

    def passed(curves):
        heard.append((len(curves), checkpoint.read().epoch))

    journal = Journal(checkpoint, passed)
    for epoch in (1, 2):
        journal.add(CurvePoint("train", epoch, {"loss": 1.0}), variables(epoch))
    assert heard == [(1, 1), (2, 2)]


def test_arrays_that_do_not_fit_are_discarded_and_training_begins_anew(checkpoint, path, said):
    checkpoint.write(State("train", 1, CURVES[:1], [np.zeros(3)]))
    journal, target = Journal(checkpoint), variables()
    assert journal.resume("train", target) == 0
    assert (journal.curves, path.exists()) == ([], False)
    assert "other shapes" in said[-1]


def test_arrays_that_do_not_fit_a_later_phase_are_an_error_and_gone(checkpoint, path):
    checkpoint.write(State("finetune", 1, CURVES, [np.zeros(3)]))
    with pytest.raises(StorageError, match="start the sweep again"):
        Journal(checkpoint).resume("finetune", variables())
    assert not path.exists()


def test_without_a_checkpoint_a_journal_only_keeps_the_curves():
    journal = Journal()
    assert not journal.goes_on
    journal.add(CURVES[0], [])
    assert journal.curves == [CURVES[0]]
