"""What `--model` names: a network, its threshold, and how its images were prepared."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from facerec_core.errors import DataError, FacerecError, StorageError, UsageError
from facerec_core.export.folder import CARD, MODEL
from facerec_core.export.network import NetworkFacts
from facerec_core.gallery.fixed_point import MOST_DIMENSIONS
from facerec_core.gallery.layout import MOST_THRESHOLDS
from facerec_core.gallery.records import CROP_UNIT, FarThreshold, GalleryModel, Preparation
from facerec_core.notes import EvaluationNotes
from facerec_core.record_json import parse_record
from facerec_core.tflite import Interpreter
from facerec_core.types import DEPLOYABLE, Scheme, VariantRecord
from sweep.gallery import Request
from sweep.schema import Settings
from sweep.tracking_variant import RUN_ID, TrackedVariant, load_variant

_ALLOWED = "the MLflow run id of a variant, the folder of a stage or of an export, or an int8 .tflite file"


@dataclass(frozen=True)
class Network:
    """A network ready to make fingerprints, an int8 one with the arithmetic of the device.

    `thresholds` are those of its evaluations on validation, the one for `target_far` first; none were found where it
    is empty. `landmarks` says that it was trained on faces aligned by landmarks.
    """

    interpreter: Interpreter
    model: GalleryModel
    thresholds: tuple[FarThreshold, ...]
    preparation: Preparation
    landmarks: bool
    size_bytes: int


@dataclass(frozen=True)
class _Exported:
    """What is taken of an export's `model_card.json`."""

    scheme: Scheme
    network: NetworkFacts


@dataclass(frozen=True)
class Found:
    """What a selector leads to: a file's content, how it is quantised, its thresholds, and the recorded `data.*`."""

    content: bytes
    scheme: Scheme | None
    thresholds: tuple[FarThreshold, ...]
    data: Mapping[str, object]


def open_network(request: Request) -> Network:
    """Open what `--model` names.

    Raises:
        DataError: no int8 network there.
        StorageError: it cannot be read.
        TrackingError: no such run.
    """
    selector = request.text("model", _ALLOWED)
    network = network_of(_find(selector, request.settings), request, selector)
    _check_int8(network, selector)
    return network


def _check_int8(network: Network, selector: str) -> None:
    output = network.interpreter.output_scale
    if (network.interpreter.input_scale.dtype, output.dtype) != ("int8", "int8"):
        raise DataError(f"--model: {selector}: got a {output.dtype} network, allowed: ptq_int8 or qat_int8")
    if not 1 <= network.model.dimension <= MOST_DIMENSIONS:
        allowed = f"1 to {MOST_DIMENSIONS}"
        raise DataError(
            f"--model: {selector}: got fingerprints of {network.model.dimension} numbers, allowed: {allowed}"
        )


def network_of(found: Found, request: Request, selector: str) -> Network:
    """The network of a file that was found, whatever its numbers are.

    Args:
        found: the file.
        request: keys and flags that decide the threshold and how images are prepared.
        selector: what it was called, for messages.

    Raises:
        DataError: it is no .tflite file.
        StorageError: it is another file than the one that was evaluated.
    """
    interpreter = _interpreter(found.content, selector)
    output = interpreter.output_scale
    digest = hashlib.sha256(found.content).hexdigest()
    model = GalleryModel(
        digest, found.scheme, interpreter.embedding, interpreter.resolution, output.scale, output.zero_point
    )
    return Network(
        interpreter,
        model,
        _ordered(found.thresholds, request.settings.target_far),
        _preparation(found.data, request),
        found.data.get("landmarks") is not None,
        len(found.content),
    )


def _interpreter(content: bytes, selector: str) -> Interpreter:
    """Reference kernels: their fingerprints are the device's, bit for bit."""
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        file.write(content)
        file.flush()
        try:
            return Interpreter(Path(file.name), kernels="reference", batch_size=1)
        except FacerecError as error:
            raise DataError(f"--model: {selector}: got no readable .tflite file, allowed: {_ALLOWED}") from error


def _find(selector: str, settings: Settings) -> Found:
    path = Path(selector).expanduser()
    if path.is_dir():
        return _in_folder(path)
    if path.exists():
        return _beside(path)
    if RUN_ID.fullmatch(selector):
        tracking = settings.tracking
        return found_in(load_variant(settings.paths.folder, tracking.uri, tracking.experiment, selector))
    raise DataError(f"--model: got {selector!r}, which does not exist, allowed: {_ALLOWED}")


def found_in(tracked: TrackedVariant) -> Found:
    """What the tracker has of a variant."""
    data = tracked.record.config.get("data")
    known: Mapping[str, object] = data if isinstance(data, Mapping) else {}
    thresholds = _thresholds((tracked.variant,), hashlib.sha256(tracked.content).hexdigest())
    return Found(tracked.content, tracked.variant.scheme, thresholds, known)


def _in_folder(folder: Path) -> Found:
    """A stage that made a file, the evaluation of one, or an export."""
    if (folder / CARD).is_file():
        return _exported(folder)
    notes = folder / "evaluation.json"
    if notes.is_file():
        return _beside(folder.parent / _read_evaluation(notes).file.path)
    files = sorted(folder.glob("*.tflite"))
    if len(files) != 1:
        raise DataError(f"--model: {folder}: got {len(files)} .tflite files there, allowed: a stage's folder, with one")
    return _beside(files[0])


def _exported(folder: Path) -> Found:
    """The network of an export, with the thresholds and the preparation that its card states."""
    content = _read(folder / MODEL)
    exported = parse_record(_Exported, _read_text(folder / CARD), f"--model: {folder / CARD}")
    facts = exported.network
    if facts.sha256 != hashlib.sha256(content).hexdigest():
        raise StorageError(f"--model: {folder / MODEL} is another file than the card is of; export again")
    thresholds = tuple(FarThreshold.of(one.threshold, one.far) for one in facts.thresholds)
    data = {"image_size": facts.image_size, "crop": facts.crop, "landmarks": True if facts.aligned else None}
    return Found(content, exported.scheme, thresholds, data)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"--model: cannot read {path}: {error.strerror or error}") from error


def _beside(path: Path) -> Found:
    """A file, with the evaluations that lie where a sweep would have put them."""
    content = _read(path)
    digest = hashlib.sha256(content).hexdigest()
    variants = tuple(one for one in _evaluations(path.absolute()) if one.file.sha256 == digest)
    scheme = next((scheme for scheme in DEPLOYABLE if variants and scheme == variants[0].scheme), None)
    return Found(content, scheme, _thresholds(variants, digest), {})


def _evaluations(path: Path) -> Iterator[VariantRecord]:
    name = f"{path.parent.name}/{path.name}"
    for notes in sorted(path.parents[1].glob(f"eval-{path.stem}-*/evaluation.json")):
        variant = _read_evaluation(notes)
        if variant.file.path == name:
            yield variant


def _read_evaluation(path: Path) -> VariantRecord:
    return parse_record(EvaluationNotes, _read_text(path), str(path)).variant


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"--model: cannot read {path}: {error}") from error


def _thresholds(evaluated: tuple[VariantRecord, ...], digest: str) -> tuple[FarThreshold, ...]:
    """One for each target FAR that was evaluated."""
    found: dict[float, FarThreshold] = {}
    for variant in evaluated:
        one = variant.validation
        if variant.file.sha256 != digest:
            raise StorageError("--model: the file is another than the one that was evaluated; run the sweep again")
        if one.threshold is not None:
            found.setdefault(one.target_far, FarThreshold.of(one.threshold, one.target_far))
    return tuple(found.values())


def _ordered(thresholds: tuple[FarThreshold, ...], target_far: float) -> tuple[FarThreshold, ...]:
    """The wanted one first, then by FAR; as many as a gallery holds."""
    wanted = FarThreshold.of(0.0, target_far).far_billionths
    by_far = sorted(thresholds, key=lambda one: (one.far_billionths != wanted, one.far_billionths))
    return tuple(by_far[:MOST_THRESHOLDS])


def _preparation(data: Mapping[str, object], request: Request) -> Preparation:
    """As the network's own images were prepared; keys and flags that were typed go before that."""
    typed = request.settings.data
    side = data.get("image_size") if "data.image_size" not in request.asked else None
    crop = request.flags.crop
    if crop is None:
        crop = data.get("crop") if "data.crop" not in request.asked else None
    chosen = float(crop) if isinstance(crop, int | float) else typed.crop
    return Preparation(side if isinstance(side, int) else typed.image_size, round(chosen * CROP_UNIT))


def pick_threshold(request: Request, known: tuple[FarThreshold, ...], source: str) -> FarThreshold:
    """The threshold to go by: `--threshold`, else the one for a `target_far` that was typed, else the first.

    Args:
        request: what was asked.
        known: those of a network or gallery.
        source: what they are of, for messages.

    Raises:
        UsageError: there is none.
    """
    if request.flags.threshold is not None:
        return FarThreshold.of(request.flags.threshold)
    if not known:
        raise UsageError(
            f"{source}: no evaluation with a threshold was found, allowed: --threshold COSINE, or --model naming the "
            "run or stage of an evaluated variant"
        )
    if "target_far" not in request.asked:
        return known[0]
    wanted = FarThreshold.of(0.0, request.settings.target_far).far_billionths
    for one in known:
        if one.far_billionths == wanted:
            return one
    listed = ", ".join("set by hand" if one.far is None else f"target_far={one.far:g}" for one in known)
    raise UsageError(
        f"target_far={request.settings.target_far:g}: {source} has no threshold for it, allowed: {listed}, or "
        "--threshold COSINE"
    )
