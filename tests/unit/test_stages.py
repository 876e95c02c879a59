import dataclasses
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_core.errors import DataError, StorageError
from facerec_core.stages import StageStore, content_key, file_digest, write_file


@dataclasses.dataclass(frozen=True)
class Inner:
    rate: float


@dataclasses.dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner


@pytest.fixture
def store(tmp_path):
    return StageStore(tmp_path / "stages")


def build(store, content=b"x", name="float", key="k"):
    with store.create(name, key) as folder:
        write_file(folder / "file", content)


def left_over(store):
    return sorted(path.name for path in store.folder("float", "k").parent.iterdir())


def test_a_stage_appears_only_when_its_block_has_ended(store):
    assert not store.has("float", "k")
    with store.create("float", "k") as folder:
        write_file(folder / "file", b"content")
        assert not store.has("float", "k")
    assert store.has("float", "k")
    assert (store.folder("float", "k") / "file").read_bytes() == b"content"
    assert left_over(store) == ["float-k"]


@pytest.mark.parametrize("error", [DataError("broken"), KeyboardInterrupt(), ValueError("x")])
def test_an_error_inside_the_block_leaves_nothing_and_comes_through(store, error):
    def build_half():
        with store.create("float", "k") as folder:
            write_file(folder / "file", b"half")
            raise error

    with pytest.raises(type(error)):
        build_half()
    assert left_over(store) == []


def test_a_full_disk_inside_the_block_is_a_storage_error(store):
    with pytest.raises(StorageError, match=r"No space left on device.*paths\.root"), store.create("float", "k"):
        raise OSError(28, "No space left on device")
    assert left_over(store) == []


def test_two_builders_at_once_both_succeed_and_one_result_stays(store):
    barrier, errors = threading.Barrier(4), []

    def builder(number):
        try:
            with store.create("float", "k") as folder:
                write_file(folder / "file", str(number).encode())
                barrier.wait(timeout=30)
        except Exception as error:  # noqa: BLE001 - counted below
            errors.append(error)

    threads = [threading.Thread(target=builder, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert left_over(store) == ["float-k"]
    assert (store.folder("float", "k") / "file").read_bytes() in {b"0", b"1", b"2", b"3"}


def test_a_finished_stage_is_not_replaced(store):
    build(store, b"first")
    build(store, b"second")
    assert (store.folder("float", "k") / "file").read_bytes() == b"first"


def test_a_discarded_stage_is_gone_and_can_be_built_again(store):
    build(store, b"first")
    store.discard("float", "k")
    assert not store.has("float", "k")
    assert left_over(store) == []
    store.discard("float", "k")
    build(store, b"second")
    assert (store.folder("float", "k") / "file").read_bytes() == b"second"


def test_a_root_that_is_a_file_is_named(tmp_path):
    (tmp_path / "stages").write_text("in the way")
    with pytest.raises(StorageError, match=r"stages.*paths\.root=PATH"):
        build(StageStore(tmp_path / "stages"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_root_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="Permission denied"):
        build(StageStore(tmp_path / "stages"))


def test_a_key_depends_on_values_at_every_depth_and_on_their_order():
    outer = Outer("a", Inner(0.1))
    keys = [
        content_key(outer),
        content_key(Outer("b", Inner(0.1))),
        content_key(Outer("a", Inner(0.2))),
        content_key("float", outer),
        content_key(outer, "float"),
        content_key([outer.name], outer.inner),
    ]
    assert len(set(keys)) == len(keys)
    assert content_key(Outer("a", Inner(0.1))) == keys[0]
    assert all(len(key) == 20 for key in keys)


def test_a_key_is_the_same_in_every_process_and_version():
    assert content_key("float", 1, {"b": 2.5, "a": None}) == "36497b1c0dae7fd345ba"


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)))
def test_the_order_of_a_mapping_does_not_count(mapping):
    assert content_key(mapping) == content_key(dict(reversed(mapping.items())))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_key_of_a_number_that_is_not_finite_is_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        content_key(value)


def test_file_digest_is_of_the_content(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_digest(tmp_path / "a") == expected
