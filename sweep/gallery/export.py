"""`gallery export`: the gallery as a C array, with the C library that reads it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from facerec_core.device import export_files
from facerec_core.errors import StorageError, UsageError
from facerec_core.gallery.encoding import encode
from facerec_core.gallery.files import read_gallery, write_private
from sweep.gallery import Request
from sweep.gallery.printing import print_lines, print_object


def act(request: Request) -> int:
    """Write a folder that a firmware project can take in as it is.

    Raises:
        DataError: no gallery, or a damaged one.
        StorageError: the folder cannot be written.
        UsageError: the folder is there already.
    """
    out = Path(request.text("out", "a folder that does not exist yet")).expanduser()
    content = encode(read_gallery(request.gallery))
    if out.exists():
        raise UsageError(f"--out: {out}: is there already, allowed: a folder that does not exist yet")
    files = export_files(content)
    _write(out, files)
    if request.flags.json:
        print_object({"folder": str(out), "files": sorted(files), "gallery_bytes": len(content)})
    else:
        print_lines([f"{out}: {len(files)} files, the gallery takes {len(content):,} bytes of flash"])
    return 0


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """All files or none; they hold biometric data, so only their owner may read them."""
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.absolute().parent))
        try:
            for name, content in files.items():
                write_private(temporary / name, content)
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise StorageError(f"--out: cannot write {folder}: {error.strerror or error}") from error
