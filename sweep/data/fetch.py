"""`data fetch NAME`: a published data set, from its known addresses to a folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from facerec_core.data.fetch import POLITE, Manners, RemoteFile, Report, fetch_file
from facerec_core.errors import DataError, OptionError
from sweep.data import Request
from sweep.data.progress import Bar
from sweep.data.published import SETS, PublishedSet


def act(request: Request, manners: Manners = POLITE) -> int:
    """Fetch the data set that was named, and say what is still to be done by hand.

    Raises:
        OptionError: not one name, or an unknown one.
        DataError: the set cannot be fetched by a command, or one of its files could not.
        StorageError: the folder cannot be written, or there is no room.
    """
    published = _named(request)
    folder = _folder(request, published)
    if not published.files:
        raise DataError(
            f"{published.name} cannot be fetched by a command: {published.by_hand} to {folder}, then choose it with "
            f"{_usage(published, folder)}"
        )
    with Bar("bytes") as bar:
        for remote in published.files:
            fetch_file(remote, folder, _reporter(bar, remote), manners)
    sys.stdout.write("".join(f"{line}\n" for line in _lines(published, folder)))
    sys.stdout.flush()
    return 0


def _named(request: Request) -> PublishedSet:
    named = " ".join(request.names)
    if named not in SETS:
        raise OptionError("data fetch", named, ", ".join(SETS), "such as `python -m sweep data fetch lfw`")
    return SETS[named]


def _folder(request: Request, published: PublishedSet) -> Path:
    """--out, or the set's own folder below paths.root."""
    if request.out is not None:
        return Path(request.out).expanduser()
    return request.points[0].paths.folder / "data" / published.name


def _reporter(bar: Bar, remote: RemoteFile) -> Report:
    def report(done: int, total: int) -> None:
        bar.show(remote.name, done, total)

    return report


def _usage(published: PublishedSet, folder: Path) -> str:
    return published.usage.replace("FOLDER", str(folder))


def _lines(published: PublishedSet, folder: Path) -> Iterator[str]:
    names = ", ".join(remote.name for remote in published.files)
    yield f"in {folder}: {names}; checksums as published"
    yield f"by hand: {published.by_hand}; put them there too"
    yield f"then: python -m sweep data info {_usage(published, folder)}"
