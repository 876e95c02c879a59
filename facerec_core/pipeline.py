"""The one way a candidate goes through: train, quantise, evaluate, each stage written once under its hash.

`run`, `multirun` and every executor end here. TensorFlow is imported only by a stage that has to be built, so a
finished candidate is read back in milliseconds.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facerec_core import tflite
from facerec_core.checkpoint import Checkpoint, Journal
from facerec_core.data.loader import load_faces
from facerec_core.data.records import FaceData, FaceSet
from facerec_core.errors import StorageError
from facerec_core.health import variant_health
from facerec_core.judging import judge
from facerec_core.metrics import evaluate
from facerec_core.notes import EvaluationNotes, StageNotes
from facerec_core.record_json import dump_record, parse_record
from facerec_core.stages import StageStore, write_file
from facerec_core.strip import strip
from facerec_core.task import STAGE_OF, Task
from facerec_core.teacher import teacher_vectors
from facerec_core.types import (
    DEPLOYABLE,
    CurvePoint,
    DataSummary,
    Progress,
    Scheme,
    Split,
    VariantRecord,
)

if TYPE_CHECKING:
    from facerec_core.preparation import Ready

QAT_FROM_SCRATCH = (
    "quant.qat.from_scratch=true trained the quantised network from random weights; "
    "starting from the trained float weights is nearly always better"
)


@dataclass(frozen=True)
class Outcome:
    """A candidate that went all the way."""

    data: DataSummary
    variants: tuple[VariantRecord, ...]
    curves: tuple[CurvePoint, ...]
    calibration_images: tuple[str, ...]
    stage_seconds: Mapping[str, float]
    warnings: tuple[str, ...] = ()


class StageError(Exception):
    """Wraps whatever ended a stage, to say which one it was."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        super().__init__(stage)


class Pruned(Exception):  # noqa: N818 - it is no error
    """Ends a float stage that was to be given up; the task goes on after its last epoch when it is run again."""

    def __init__(self, curves: Sequence[CurvePoint]) -> None:
        self.curves = tuple(curves)
        super().__init__(f"given up after {len(self.curves)} epochs")


def never() -> bool:
    """Nobody gives the task up."""
    return False


@dataclass
class _Run:
    """The state of one task on its way: nothing is loaded before a stage needs it."""

    task: Task
    store: StageStore
    emit: Callable[[Progress], None]
    stopped: Callable[[], bool] = never

    def report(self, stage: str) -> Callable[..., None]:
        """A callback (done, total, note) for one stage."""
        return lambda done, total, note="": self.emit(Progress(self.task.key, stage, done, total, note))

    @cached_property
    def faces(self) -> FaceData:
        """The data at the candidate's resolution, from the cache."""
        data, side = self.task.recipe.data, self.task.candidate.resolution
        return load_faces(data, side, Path(self.task.cache_dir), self.report("data"), folds=self.task.recipe.eval.folds)

    @cached_property
    def arrays(self) -> Mapping[str, Any]:
        """The trained float weights."""
        from facerec_core.weights import read_arrays

        path = self.store.folder("float", self.task.float_key) / "weights.npz"
        return read_arrays(path, "train it again with force=true")

    @cached_property
    def ready(self) -> Ready:
        """The same, made ready for int8 when they are asked for."""
        from facerec_core.preparation import Ready

        return Ready(self.task.candidate, self.arrays, self.faces.train, self.task.recipe)

    @cached_property
    def teacher(self) -> NDArray[np.float32] | None:
        """The teacher's fingerprints of the training images, None without a teacher."""
        teacher = self.task.recipe.train.teacher
        if teacher is None:
            return None
        return teacher_vectors(teacher, self.faces.train, self.train_faces_at, max(self.task.threads, 1))

    def train_faces_at(self, resolution: int) -> FaceSet:
        """The training split at another resolution, in the same order."""
        recipe, cache = self.task.recipe, Path(self.task.cache_dir)
        return load_faces(recipe.data, resolution, cache, self.report("data"), folds=recipe.eval.folds).train

    def interpreter(self, scheme: Scheme) -> tflite.Interpreter:
        """The file of a scheme, run as the recipe says."""
        return self._interpreter(self.folder(STAGE_OF[scheme]) / f"{scheme}.tflite")

    def _interpreter(self, path: Path) -> tflite.Interpreter:
        options = self.task.recipe.eval
        return tflite.Interpreter(
            path, kernels=options.kernels, threads=max(self.task.threads, 1), batch_size=options.batch_size
        )

    @cached_property
    def float_test(self) -> NDArray[np.float32]:
        """The float network's fingerprints of the test images, which int8 files search among, too; made once."""
        report = self.report("eval-float32")
        return self.interpreter("float32").embed(
            self.faces.test.images, lambda done, total: report(done, total, "test")
        )

    def journal(self, stage: str) -> Journal:
        """Where the training of a stage goes on, and what is kept of its epochs."""
        key, report = self.task.stage_key(stage), self.report(stage)
        checkpoint = Checkpoint(self.store.checkpoint(stage, key), key, lambda line: report(0, 0, line))
        return Journal(checkpoint, self._passed if stage == "float" else None)

    def _passed(self, curves: Sequence[CurvePoint]) -> None:
        """Tell what an epoch of the first phase came to, and give up where that is wanted."""
        last, epochs = curves[-1], self.task.recipe.train.epochs
        if last.phase == "train":
            value = last.metrics.get("validation_tar")
            note = f"epoch {last.epoch}" if value is None else f"epoch {last.epoch}, validation TAR {value:.3f}"
            self.emit(Progress(self.task.key, "float", last.epoch, epochs, note, epoch=last.epoch, value=value))
        if self.stopped():
            raise Pruned(curves)

    def rate(self, fingerprints: NDArray[np.float32]) -> float | None:
        """TAR at the target FAR of validation fingerprints, float32 [n, d]; None where the pairs cannot resolve it."""
        faces = self.faces.validation
        found = evaluate(
            fingerprints, faces.labels, self.faces.validation_pairs, split="validation",
            identities=len(faces.identities), target_far=self.task.recipe.target_far, threshold=None,
        )  # fmt: skip
        return found.realised_tar

    def rate_file(self, content: bytes) -> float | None:
        """The same of a .tflite that is not stored."""
        with tempfile.TemporaryDirectory(prefix="sweep-") as name:
            path = Path(name) / "network.tflite"
            path.write_bytes(content)
            interpreter = self._interpreter(path)
            return self.rate(interpreter.embed(self.faces.validation.images, self.report("qat")))

    def folder(self, stage: str) -> Path:
        """The finished folder of a stage."""
        return self.store.folder(stage, self.task.stage_key(stage))

    def notes(self, stage: str) -> StageNotes:
        """The notes of a finished training or conversion stage."""
        path = self.folder(stage) / "notes.json"
        return parse_record(StageNotes, path.read_text(encoding="utf-8"), str(path))

    def evaluation(self, stage: str) -> EvaluationNotes:
        """What a finished evaluation stage found."""
        path = self.folder(stage) / "evaluation.json"
        return parse_record(EvaluationNotes, path.read_text(encoding="utf-8"), str(path))

    def is_whole(self, stage: str) -> bool:
        """Whether a stage is finished and can still be read back."""
        try:
            (self.evaluation if stage.startswith("eval-") else self.notes)(stage)
        except (OSError, StorageError, UnicodeDecodeError):
            return False
        return True


def is_finished(task: Task) -> bool:
    """Whether every stage of the task is on disk and readable; imports nothing heavy."""
    run = _Run(task, StageStore(Path(task.stages_dir)), lambda _event: None)
    return all(run.is_whole(stage) for stage in task.stages)


def forget(task: Task) -> None:
    """Discard every stage of the task, so that it runs again."""
    store = StageStore(Path(task.stages_dir))
    for stage in task.stages:
        store.discard(stage, task.stage_key(stage))


def run_task(task: Task, emit: Callable[[Progress], None], stopped: Callable[[], bool] = never) -> Outcome:
    """Carry a candidate through whatever stages are not finished yet, from the last epoch that was finished.

    Args:
        task: the candidate.
        emit: called with signs of life; after an epoch of the float network with its number and validation TAR.
        stopped: looked at after every epoch of the float stage; true gives the task up.

    Raises:
        Pruned: the task was given up.
        StageError: a stage failed; its cause is the error.
    """
    run = _Run(task, StageStore(Path(task.stages_dir)), emit, stopped)
    for position, stage in enumerate(task.stages):
        if not run.is_whole(stage):
            _forget_damaged(run, task.stages[position:])
            try:
                with run.store.create(stage, task.stage_key(stage)) as folder:
                    BUILDERS.get(stage, _evaluator(stage))(run, folder)
            except Pruned:
                raise
            except Exception as error:
                raise StageError(stage) from error
            run.store.checkpoint(stage, task.stage_key(stage)).unlink(missing_ok=True)
        run.report(stage)(1, 1, "finished")
    return _outcome(run)


def _forget_damaged(run: _Run, stages: Sequence[str]) -> None:
    """Where the first stage is there but damaged, discard it and those that may have come from it."""
    if run.store.has(stages[0], run.task.stage_key(stages[0])):
        for stage in stages:
            run.store.discard(stage, run.task.stage_key(stage))


def _outcome(run: _Run) -> Outcome:
    notes = {stage: run.notes(stage) for stage in run.task.stages if not stage.startswith("eval-")}
    evaluations = {scheme: run.evaluation(f"eval-{scheme}") for scheme in run.task.schemes}
    seconds = {stage: n.seconds for stage, n in notes.items()}
    seconds |= {f"eval-{scheme}": e.seconds for scheme, e in evaluations.items()}
    return Outcome(
        data=run.faces.summary,
        variants=tuple(e.variant for e in evaluations.values()),
        curves=tuple(point for n in notes.values() for point in n.curves),
        calibration_images=notes["ptq"].calibration_images,
        stage_seconds=seconds,
        warnings=tuple(warning for n in notes.values() for warning in n.warnings),
    )


def _configure(task: Task) -> None:
    from facerec_core.tf import configure

    configure(task.threads, task.recipe.seed)


def _build_float(run: _Run, folder: Path) -> None:
    started = time.perf_counter()
    run.report("float")(0, 0, "loading TensorFlow")
    from facerec_core.preparation import restore
    from facerec_core.quantize import convert_float
    from facerec_core.train import Validation, train_float
    from facerec_core.weights import write_arrays

    task, faces = run.task, run.faces.train
    _configure(task)
    run.report("float")(0, 0, "building the network")
    report = run.report("float")
    trained = train_float(
        task.candidate, faces, task.recipe.train, task.recipe.seed, report, run.teacher,
        faces_at=run.train_faces_at, journal=run.journal("float"),
        validation=Validation(run.faces.validation.images, run.rate),
    )  # fmt: skip
    write_arrays(folder / "weights.npz", trained.arrays)
    converted = convert_float(restore(task.candidate, trained.arrays))
    write_file(folder / "float32.tflite", strip(converted.content))
    _write_notes(folder, StageNotes(time.perf_counter() - started, len(converted.content), trained.curves))


def _build_ptq(run: _Run, folder: Path) -> None:
    started, report = time.perf_counter(), run.report("ptq")
    report(0, 0, "reading the weights")
    from facerec_core.preparation import restore
    from facerec_core.quantize import post_training

    task, ready, options = run.task, run.ready, run.task.recipe.quant.ptq
    _configure(task)
    arrays = ready(options.equalize, options.rounding, report)
    report(0, 0, "calibrating")
    converted = post_training(restore(task.candidate, arrays), ready.images, options.percentile, report)
    tflite.check_fully_int8(converted.content)
    write_file(folder / "ptq_int8.tflite", strip(converted.content))
    seconds = time.perf_counter() - started
    _write_notes(folder, StageNotes(seconds, len(converted.content), calibration_images=ready.names))


def _build_qat(run: _Run, folder: Path) -> None:
    started, report = time.perf_counter(), run.report("qat")
    report(0, 0, "reading the weights")
    from facerec_core.quantize import quantization_aware

    task = run.task
    _configure(task)
    converted = quantization_aware(
        task.candidate, run.arrays, run.faces.train, task.recipe, report, run.teacher, run.journal("qat"), run.ready,
        run.rate_file,
    )  # fmt: skip
    tflite.check_fully_int8(converted.content)
    write_file(folder / "qat_int8.tflite", strip(converted.content))
    warned = (QAT_FROM_SCRATCH,) if task.recipe.quant.qat.from_scratch else ()
    seconds = time.perf_counter() - started
    _write_notes(folder, StageNotes(seconds, len(converted.content), converted.curves, warnings=warned))


def _build_control(run: _Run, folder: Path) -> None:
    started = time.perf_counter()
    run.report("control")(0, 0, "building the network")
    from facerec_core.quantize import float_control

    task, report = run.task, run.report("control")
    _configure(task)
    converted = float_control(
        task.candidate, run.arrays, run.faces.train, task.recipe, report, run.teacher, run.journal("control")
    )
    write_file(folder / "float32_control.tflite", strip(converted.content))
    _write_notes(folder, StageNotes(time.perf_counter() - started, len(converted.content), converted.curves))


BUILDERS: Mapping[str, Callable[[_Run, Path], None]] = {
    "float": _build_float,
    "ptq": _build_ptq,
    "qat": _build_qat,
    "control": _build_control,
}


def _write_notes(folder: Path, notes: StageNotes) -> None:
    write_file(folder / "notes.json", dump_record(notes).encode())


def _evaluator(stage: str) -> Callable[[_Run, Path], None]:
    scheme: Scheme = stage.removeprefix("eval-")  # type: ignore[assignment]

    def build(run: _Run, folder: Path) -> None:
        started = time.perf_counter()
        variant = _evaluate_file(run, scheme)
        notes = EvaluationNotes(time.perf_counter() - started, variant)
        write_file(folder / "evaluation.json", dump_record(notes).encode())

    return build


def _evaluate_file(run: _Run, scheme: Scheme) -> VariantRecord:
    """Judge one variant through its own file."""
    interpreter, report = run.interpreter(scheme), run.report(f"eval-{scheme}")

    def embedded(split: Split) -> NDArray[np.float32]:
        if (scheme, split) == ("float32", "test"):
            return run.float_test
        faces: FaceSet = getattr(run.faces, split)
        return interpreter.embed(faces.images, lambda done, total: report(done, total, split))

    gallery = run.float_test if scheme in DEPLOYABLE else None
    validation, test = judge(embedded, run.faces, run.task.recipe, gallery)
    path = run.folder(STAGE_OF[scheme]) / f"{scheme}.tflite"
    file = tflite.describe(path, scheme, run.notes(STAGE_OF[scheme]).converted_bytes)
    # Relative to the stages, so that a moved results folder still reads.
    file = replace(file, path=f"{path.parent.name}/{path.name}")
    full, faces = run.folder("float") / "float32.tflite", run.faces.validation.images
    health = variant_health(scheme, run.task.candidate, run.task.recipe, faces, full, path)
    return VariantRecord(scheme, file, run.task.recipe.eval.kernels, validation, test, health)
