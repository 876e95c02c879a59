"""What is refused, and what is checked, before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facerec_core.errors import OptionError
from facerec_core.export.folder import MANIFEST
from facerec_core.export.golden import Golden
from facerec_core.export.micro import micro_fingerprints
from facerec_core.export.verification import Agreement, EndToEnd, check_agreement, check_end_to_end
from facerec_core.options import DataOptions
from facerec_core.tflite import Interpreter
from facerec_core.types import Evaluation, Feasibility, LimitCheck
from sweep.export import Request
from sweep.export.faces import validation_faces
from sweep.records import reasons

DEFAULT_IMAGES, FEWEST_IMAGES = 300, 60
FULL_MACS = 25_000_000
"""Up to so many multiply-adds an image the default number is judged, fewer of a larger network: within a minute."""

Run = Callable[[NDArray[np.uint8]], NDArray[np.int8]]


def check_folder(request: Request) -> None:
    """Refuse to write where something is.

    Raises:
        OptionError: DIR is no folder, holds something and --force was not given, or holds what must not be deleted.
    """
    out = request.out
    if not out.exists():
        return
    if not out.is_dir() or out.is_symlink():
        raise OptionError("--out", str(out), "a folder")
    if any(out.iterdir()):
        if not request.flags.force:
            raise OptionError("--out", str(out), "a folder that is new or empty", "--force replaces what is in it")
        _refuse_precious(out, request.settings.paths.folder)
    elif out.resolve() == Path.cwd():
        raise OptionError("--out", str(out), "a folder beside or below the one you are in, which cannot be replaced")


def _refuse_precious(out: Path, root: Path) -> None:
    """--force deletes what was there; never the folder one works in, or the tracker, or what is in or around them."""
    place = out.resolve()
    around = any(place == kept or place in kept.parents for kept in (Path.cwd(), Path.home(), root))
    inside = root in place.parents and not (place / MANIFEST).is_file()
    if around or inside:
        raise OptionError("--out", str(out), "a folder of its own: --force would delete everything in this one")


def check_limits(limits: Sequence[LimitCheck], *, allowed: bool) -> None:
    """Refuse what exceeds a limit, or may.

    Raises:
        OptionError: it does, and --allow-over-limit was not given.
    """
    found = Feasibility(tuple(limits))
    if not found.feasible and not allowed:
        hint = "--allow-over-limit exports it all the same"
        raise OptionError("candidate", reasons(found), "one that keeps every limit", hint)


def check_memory(misfits: Sequence[str], *, allowed: bool) -> None:
    """Refuse what no program with TensorFlow Lite Micro can hold on the board.

    Args:
        misfits: from `facerec_core.export.card.misfits`.
        allowed: --allow-over-limit was given.

    Raises:
        OptionError: there are some, and it was not.
    """
    if misfits and not allowed:
        hint = "--allow-over-limit exports it all the same, such as for the runtime the board's limits were judged by"
        raise OptionError("candidate", " ".join(misfits), "one that fits, or a sweep with another board=NAME", hint)


def images_to_judge(asked: int | None, macs: int) -> int:
    """How many validation images go through TensorFlow Lite Micro.

    Args:
        asked: --verify-images.
        macs: multiply-adds of one inference.
    """
    if asked is not None:
        return asked
    return min(DEFAULT_IMAGES, max(FEWEST_IMAGES, DEFAULT_IMAGES * FULL_MACS // max(macs, 1)))


def check_golden(content: bytes, interpreter: Interpreter, golden: Golden) -> Agreement:
    """Run the golden faces through TensorFlow Lite Micro.

    Raises:
        QuantizationError: it gives other fingerprints, or refuses the file.
    """
    found = micro_fingerprints(content, golden.probes, interpreter.input_scale)
    return check_agreement(golden.fingerprints, found, "golden faces")


def check_validation(
    content: bytes,
    interpreter: Interpreter,
    options: DataOptions,
    count: int,
    evaluated: Evaluation,
    doing: Callable[[str], None],
) -> EndToEnd:
    """Judge validation images through both interpreters.

    Raises:
        QuantizationError: TensorFlow Lite Micro's rate is another.
        UsageError: the data cannot be read here.
    """

    def report(done: int, total: int) -> None:
        doing(f"checking {done} of {total} validation images in TensorFlow Lite Micro")

    doing(f"reading {count} validation images")
    faces = validation_faces(options, interpreter.resolution, count)
    known = run_all(interpreter)(faces.images)
    micro = micro_fingerprints(content, faces.images, interpreter.input_scale, report)
    scale, far, threshold = interpreter.output_scale, evaluated.target_far, evaluated.threshold
    return check_end_to_end(faces, known, micro, scale, far, threshold)


def run_all(interpreter: Interpreter) -> Run:
    """Fingerprints int8 [n, dimension] of uint8 [n, side, side, 3], an image at a time."""
    return lambda images: np.concatenate([interpreter.raw(image[None]) for image in images])
