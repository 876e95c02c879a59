import os
import stat
import tarfile
import zipfile

import pytest

from facerec_core.data import store as store_module
from facerec_core.data.store import ARCHIVE_SUFFIXES, UnreadableError, open_store
from facerec_core.errors import DataError, StorageError
from tests.image_files import write_folder, write_tar, write_zip

FILES = {"top/Ada/1.jpg": b"one", "top/Bob/2.jpg": b"twotwo", "notes.txt": b"text", "top/Ünï/3.jpg": b"3"}
HIDDEN = {".hidden/1.jpg": b"x", "top/Ada/.DS_Store": b"x", "__MACOSX/top/Ada/._1.jpg": b"x"}
MAX_BYTES = 100


def opened(path, suffixes=ARCHIVE_SUFFIXES):
    return open_store(path, "data.root", suffixes, MAX_BYTES)


def make(kind, tmp_path, files):
    if kind == "folder":
        return write_folder(tmp_path / "faces", files)
    if kind == "zip":
        return write_zip(tmp_path / "faces.zip", files)
    return write_tar(tmp_path / f"faces.{kind}", files, "w" if kind == "tar" else "w:gz")


KINDS = ["folder", "zip", "tar", "tgz", "tar.gz"]


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_listed_sorted_without_hidden_ones_and_read_in_any_order(kind, tmp_path):
    store = opened(make(kind, tmp_path, {**FILES, **HIDDEN}))
    assert [(m.path, m.size_bytes) for m in store.members()] == sorted((p, len(b)) for p, b in FILES.items())
    for path, data in reversed(FILES.items()):
        assert store.read(path) == data


@pytest.mark.parametrize("kind", KINDS)
def test_the_content_hash_sees_every_byte_and_name(kind, tmp_path):
    hashes = set()
    for number, files in enumerate(
        [FILES, FILES, {**FILES, "top/Ada/1.jpg": b"onf"}, {**FILES, "top/Bob/9.jpg": b"twotwo"}]
    ):
        (tmp_path / str(number)).mkdir()
        hashes.add(opened(make(kind, tmp_path / str(number), files)).content(sorted(files)))
    # A .tgz stores when it was written: the same files packed twice may count as two contents, never the reverse.
    assert len(hashes) >= 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_over_the_limit_is_listed_but_not_read(kind, tmp_path):
    store = opened(make(kind, tmp_path, {**FILES, "top/Ada/big.jpg": b"x" * 101}))
    with pytest.raises(UnreadableError, match=r"101 bytes are more than data.max_image_bytes=100"):
        store.read("top/Ada/big.jpg")
    assert store.read("top/Ada/1.jpg") == b"one"


@pytest.mark.parametrize("kind", ["zip", "tar", "tgz"])
@pytest.mark.parametrize("name", ["../evil.jpg", "/etc/evil.jpg", "a/../../evil.jpg", "..\\evil.jpg", "C:\\evil.jpg"])
def test_an_archive_that_points_outside_itself_is_refused_whole(kind, name, tmp_path):
    path = make(kind, tmp_path, {"Ada/1.jpg": b"x", name: b"x"})
    with pytest.raises(DataError, match=r"data.root: .* leads out of the archive"):
        opened(path).members()


@pytest.mark.parametrize("kind", ["zip", "tar", "tgz"])
@pytest.mark.parametrize("kept", [30 * 1024, 30 * 1024 + 300, 30 * 1024 + 512, 30 * 1024 + 540])
def test_a_truncated_archive_is_one_clear_error(kind, kept, tmp_path):
    path = make(kind, tmp_path, {f"Ada/{i}.jpg": os.urandom(1000) for i in range(50)})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"data.root: .* is not a readable archive, perhaps cut short") as raised:
        opened(path).members()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["faces.zip", "faces.tgz", "faces.tar"])
@pytest.mark.parametrize("data", [b"", b"this is no archive at all" * 100])
def test_a_file_that_is_no_archive_is_refused(name, data, tmp_path):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match="is not a readable archive"):
        opened(tmp_path / name).members()


def test_a_zip_with_a_damaged_member_still_reads_the_others(tmp_path):
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("Ada/1.jpg", b"A" * 50)
        archive.writestr("Ada/2.jpg", b"B" * 50)
    path.write_bytes(path.read_bytes().replace(b"A" * 50, b"A" * 49 + b"?"))
    store = opened(path)
    with pytest.raises(UnreadableError, match="CRC"):
        store.read("Ada/1.jpg")
    assert store.read("Ada/2.jpg") == b"B" * 50


def test_an_encrypted_member_is_unreadable(tmp_path):
    path = write_zip(tmp_path / "faces.zip", {"Ada/1.jpg": b"x"})
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the "encrypted" flag in the member's own header and in the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UnreadableError, match="encrypted"):
        opened(path).read("Ada/1.jpg")


def test_a_link_in_a_tar_is_no_file(tmp_path):
    path = tmp_path / "faces.tar"
    with tarfile.open(path, "w") as archive:
        link = tarfile.TarInfo("Ada/1.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(UnreadableError, match="not a regular file"):
        opened(path).read("Ada/1.jpg")


def test_a_full_temporary_folder_is_a_storage_error(tmp_path, monkeypatch):
    class Full:
        def tell(self):
            return 0

        def close(self):
            pass

        def write(self, data):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_module.tempfile, "TemporaryFile", Full)
    with pytest.raises(StorageError, match=r"cannot unpack .* No space left on device; .* TMPDIR"):
        opened(make("tgz", tmp_path, FILES)).read("notes.txt")


def test_links_in_a_folder_are_followed_and_loops_end(tmp_path):
    write_folder(tmp_path / "elsewhere", {"1.jpg": b"linked"})
    root = write_folder(tmp_path / "faces", {"Bob/1.jpg": b"own"})
    (root / "Ada").symlink_to(tmp_path / "elsewhere")
    (root / "Bob" / "2.jpg").symlink_to(tmp_path / "elsewhere" / "1.jpg")
    (root / "Bob" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (root / "Bob" / "loop").symlink_to(root)
    store = opened(root)
    assert {"Ada/1.jpg", "Bob/1.jpg", "Bob/2.jpg", "Bob/gone.jpg"} <= {m.path for m in store.members()}
    assert store.read("Ada/1.jpg") == store.read("Bob/2.jpg") == b"linked"
    with pytest.raises(UnreadableError, match="No such file"):
        store.read("Bob/gone.jpg")


def test_a_named_pipe_is_not_waited_for(tmp_path):
    root = write_folder(tmp_path / "faces", {"Ada/1.jpg": b"x"})
    os.mkfifo(root / "Ada" / "2.jpg")
    assert stat.S_ISFIFO((root / "Ada" / "2.jpg").stat().st_mode)
    with pytest.raises(UnreadableError, match="not a regular file"):
        opened(root).read("Ada/2.jpg")


def test_what_is_neither_folder_nor_welcome_archive_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"data.root: .*nowhere does not exist; needed: a folder or a .zip file"):
        opened(tmp_path / "nowhere", (".zip",))
    (tmp_path / "faces.txt").write_text("x")
    with pytest.raises(DataError, match=r"faces.txt is a file; needed: a folder or a .zip file"):
        opened(tmp_path / "faces.txt", (".zip",))
    with pytest.raises(DataError, match=r"faces.tgz is a file; needed: a folder or a .zip file"):
        opened(write_tar(tmp_path / "faces.tgz", FILES), (".zip",))
