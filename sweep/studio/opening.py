"""From what was typed to a desk: the candidate's variants out of the tracker or a file, and their galleries."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from facerec_core.errors import OptionError, StorageError
from facerec_core.latency.board import BoardSpec
from facerec_core.types import DEPLOYABLE, SCHEMES, Candidate
from sweep.compose import Composer
from sweep.export import Request as ExportRequest
from sweep.export.candidates import choose
from sweep.gallery import Request
from sweep.gallery.enroll import SUFFIX, new_gallery, refuse_changes
from sweep.gallery.models import Network, found_in, network_of, open_network, pick_threshold
from sweep.schema import Settings
from sweep.studio.board import Boards, with_first
from sweep.studio.desk import Desk, Variant
from sweep.studio.people import GalleryPeople, MemoryPeople, People
from sweep.tracking_runs import PARENT, Runs
from sweep.tracking_store import mlflow_errors, open_store
from sweep.tracking_variant import RUN_ID, load_variant

LABELS = {"float32": "float32", "ptq_int8": "PTQ int8", "qat_int8": "QAT int8"}
NO_SCHEME = "int8"
_MODE = 0o700


@dataclass(frozen=True)
class _Opened:
    """Networks by key, with the key to begin with, what they are called, and the architecture where it is known."""

    networks: Mapping[str, Network]
    first: str
    title: str
    candidate: Candidate | None


def open_desk(flags: Namespace, composer: Composer, command: str) -> Desk:
    """Open the variants of what was typed, and the galleries beside each other.

    Raises:
        DataError: no int8 network, or a gallery of another one.
        OptionError: no such candidate.
        UsageError: a flag contradicts a gallery that is there.
        StorageError: a file or folder cannot be used.
        TrackingError: there is no sweep.
    """
    settings = composer.one(flags.overrides)
    keys = tuple(line.lstrip("+~").partition("=")[0] for line in flags.overrides)
    request = Request(settings, keys, (), Namespace(**vars(flags), landmarks=None))
    by_file = flags.model is not None and not RUN_ID.fullmatch(flags.model)
    opened = _from_file(request) if by_file else _from_tracker(request, flags.model or flags.candidate, command)
    stem = _stem(flags.gallery, settings, opened)
    variants = {
        key: Variant(LABELS.get(key, key), network, network.size_bytes, _people(request, network, stem, key))
        for key, network in opened.networks.items()
    }
    boards = _boards(composer, flags.overrides, settings)
    limit = settings.data.max_image_bytes
    return Desk(opened.title, stem.parent, variants, opened.first, boards, opened.candidate, limit)


def _from_file(request: Request) -> _Opened:
    """The one variant of a file or of a stage's folder."""
    network = open_network(request)
    key = network.model.scheme or NO_SCHEME
    return _Opened({key: network}, key, Path(request.flags.model).name, None)


def _from_tracker(request: Request, selector: str, command: str) -> _Opened:
    """Every variant of the candidate that `export` would choose."""
    settings = request.settings
    chosen = choose(ExportRequest(settings, selector, None, Path(), (), Namespace(), command))
    networks = {}
    for scheme, run_id in _variant_runs(settings, chosen.run_id):
        tracking = settings.tracking
        tracked = load_variant(settings.paths.folder, tracking.uri, tracking.experiment, run_id)
        networks[scheme] = network_of(found_in(tracked), request, run_id)
    title = f"{chosen.record.candidate.name} of sweep {chosen.sweep}"
    return _Opened(networks, chosen.variant.scheme, title, chosen.record.candidate)


def _variant_runs(settings: Settings, run_id: str) -> Iterator[tuple[str, str]]:
    """Scheme and run of a variant and its siblings, float32 first."""
    tracking = settings.tracking
    client, experiment_id, address = open_store(settings.paths.folder, tracking.uri, tracking.experiment, create=False)
    with mlflow_errors(address):
        parent = client.get_run(run_id).data.tags[PARENT]
        found = Runs(client, experiment_id, address).tagged(**{PARENT: parent, "level": "variant"})
    runs = {run.tags["variant"]: run.run_id for run in found}
    yield from ((scheme, runs[scheme]) for scheme in SCHEMES if scheme in runs)


def _stem(gallery: str | None, settings: Settings, opened: _Opened) -> Path:
    """The path that the galleries' names begin with; without --gallery a folder of the network's own, made private."""
    if gallery is None:
        folder = settings.paths.folder / "studio" / opened.networks[opened.first].model.sha256[:12]
        try:
            folder.mkdir(mode=_MODE, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot make {folder}: {error.strerror or error}; name a file by --gallery") from error
        return folder / "people"
    path = Path(gallery).expanduser()
    if path.suffix != SUFFIX:
        raise OptionError("--gallery", path.name, f"a file that ends in {SUFFIX}")
    if not path.absolute().parent.is_dir():
        raise StorageError(f"--gallery: {path}: its folder does not exist; make the folder first")
    return path.with_suffix("")


def gallery_file(stem: Path, key: str) -> Path:
    """Where the people of a variant are kept: people.fpdb becomes people-ptq_int8.fpdb."""
    return stem.with_name(f"{stem.name}-{key}{SUFFIX}")


def _people(request: Request, network: Network, stem: Path, key: str) -> People:
    if key in (*DEPLOYABLE, NO_SCHEME):
        path = gallery_file(stem, key)
        return GalleryPeople(path, new_gallery(request, network), partial(refuse_changes, request))
    threshold = pick_threshold(request, network.thresholds, f"the variant {key}")
    return MemoryPeople(network.preparation, threshold, request.flags.method or "best")


def _boards(composer: Composer, overrides: list[str], settings: Settings) -> Boards:
    """Every option of the group `board`, composed with the other keys that were typed."""
    others = [line for line in overrides if not line.lstrip("+").startswith(("board=", "board."))]
    first = settings.board.name

    def find(name: str) -> BoardSpec:
        return settings.board if name == first else composer.one([*others, f"board={name}"]).board

    names = composer.hydra.config_loader.get_group_options("board")
    return Boards(with_first(names, first), first, find)
