"""What `--model` names: a network, its threshold, and how its images were prepared."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from facerec_core.errors import DataError, FacerecError, StorageError, UsageError
from facerec_core.gallery.fixed_point import MOST_DIMENSIONS
from facerec_core.gallery.layout import MOST_THRESHOLDS
from facerec_core.gallery.records import CROP_UNIT, FarThreshold, GalleryModel, Preparation
from facerec_core.pipeline import EvaluationNotes
from facerec_core.record_json import parse_record
from facerec_core.tflite import Interpreter
from facerec_core.types import DEPLOYABLE, Scheme, VariantRecord
from sweep.gallery import Request
from sweep.schema import Settings
from sweep.tracking_variant import RUN_ID, load_variant

_ALLOWED = "the MLflow run id of a variant, the folder of a stage, or an int8 .tflite file"


@dataclass(frozen=True)
class Network:
    """An int8 network ready to make fingerprints with the arithmetic of the device.

    `thresholds` are those of its evaluations on validation, the one for `target_far` first; none were found where it
    is empty. `landmarks` says that it was trained on faces aligned by landmarks.
    """

    interpreter: Interpreter
    model: GalleryModel
    thresholds: tuple[FarThreshold, ...]
    preparation: Preparation
    landmarks: bool


@dataclass(frozen=True)
class _Found:
    """What a selector leads to: a file's content, how it is quantised, its evaluations, and the recorded `data.*`."""

    content: bytes
    scheme: Scheme | None
    evaluated: tuple[VariantRecord, ...]
    data: Mapping[str, object]


def open_network(request: Request) -> Network:
    """Open what `--model` names.

    Raises:
        DataError: no int8 network there.
        StorageError: it cannot be read.
        TrackingError: no such run.
    """
    selector = request.text("model", _ALLOWED)
    found = _find(selector, request.settings)
    interpreter = _interpreter(found.content, selector)
    output = interpreter.output_scale
    if (interpreter.input_scale.dtype, output.dtype) != ("int8", "int8"):
        raise DataError(f"--model: {selector}: got a {output.dtype} network, allowed: ptq_int8 or qat_int8")
    if not 1 <= interpreter.embedding <= MOST_DIMENSIONS:
        allowed = f"1 to {MOST_DIMENSIONS}"
        raise DataError(f"--model: {selector}: got fingerprints of {interpreter.embedding} numbers, allowed: {allowed}")
    digest = hashlib.sha256(found.content).hexdigest()
    model = GalleryModel(
        digest, found.scheme, interpreter.embedding, interpreter.resolution, output.scale, output.zero_point
    )
    return Network(
        interpreter,
        model,
        _thresholds(found.evaluated, digest, request.settings.target_far),
        _preparation(found.data, request),
        found.data.get("landmarks") is not None,
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


def _find(selector: str, settings: Settings) -> _Found:
    path = Path(selector).expanduser()
    if path.is_dir():
        return _in_folder(path)
    if path.exists():
        return _beside(path)
    if RUN_ID.fullmatch(selector):
        tracking = settings.tracking
        tracked = load_variant(settings.paths.folder, tracking.uri, tracking.experiment, selector)
        data = tracked.record.config.get("data")
        known: Mapping[str, object] = data if isinstance(data, Mapping) else {}
        return _Found(tracked.content, tracked.variant.scheme, (tracked.variant,), known)
    raise DataError(f"--model: got {selector!r}, which does not exist, allowed: {_ALLOWED}")


def _in_folder(folder: Path) -> _Found:
    """A stage that made a file, or the evaluation of one."""
    notes = folder / "evaluation.json"
    if notes.is_file():
        return _beside(folder.parent / _read_evaluation(notes).file.path)
    files = sorted(folder.glob("*.tflite"))
    if len(files) != 1:
        raise DataError(f"--model: {folder}: got {len(files)} .tflite files there, allowed: a stage's folder, with one")
    return _beside(files[0])


def _beside(path: Path) -> _Found:
    """A file, with the evaluations that lie where a sweep would have put them."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StorageError(f"--model: cannot read {path}: {error.strerror or error}") from error
    digest = hashlib.sha256(content).hexdigest()
    variants = tuple(one for one in _evaluations(path.absolute()) if one.file.sha256 == digest)
    scheme = next((scheme for scheme in DEPLOYABLE if variants and scheme == variants[0].scheme), None)
    return _Found(content, scheme, variants, {})


def _evaluations(path: Path) -> Iterator[VariantRecord]:
    name = f"{path.parent.name}/{path.name}"
    for notes in sorted(path.parents[1].glob(f"eval-{path.stem}-*/evaluation.json")):
        variant = _read_evaluation(notes)
        if variant.file.path == name:
            yield variant


def _read_evaluation(path: Path) -> VariantRecord:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"--model: cannot read {path}: {error}") from error
    return parse_record(EvaluationNotes, text, str(path)).variant


def _thresholds(evaluated: tuple[VariantRecord, ...], digest: str, target_far: float) -> tuple[FarThreshold, ...]:
    """One for each target FAR that was evaluated, the wanted one first, then by FAR."""
    found: dict[float, FarThreshold] = {}
    for variant in evaluated:
        one = variant.validation
        if variant.file.sha256 != digest:
            raise StorageError("--model: the file is another than the one that was evaluated; run the sweep again")
        if one.threshold is not None:
            found.setdefault(one.target_far, FarThreshold.of(one.threshold, one.target_far))
    fars = sorted(found, key=lambda far: (far != target_far, far))
    return tuple(found[far] for far in fars[:MOST_THRESHOLDS])


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
