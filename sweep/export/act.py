"""From what was asked to the folder: choose, refuse, make the golden vectors, check, write, and say what there is."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from facerec_core.arena import PACKAGE, arena_trouble, interpreter_version, measure_arena
from facerec_core.errors import OptionError
from facerec_core.export.card import Checked, Subject, misfits, model_card
from facerec_core.export.card_text import card_markdown
from facerec_core.export.folder import CARD, appearing, readme, sealed, source_files, to_json, write_files
from facerec_core.export.golden import Golden, make_golden
from facerec_core.export.host_build import library_sizes, run_self_test
from facerec_core.export.network import NetworkFacts, arena_bytes, landmarks_at, thresholds_of
from facerec_core.export.operators import used_operators
from facerec_core.gallery.layout import MOST_THRESHOLDS
from facerec_core.gallery.records import CROP_UNIT, FarThreshold, Gallery, GalleryModel, Preparation
from facerec_core.latency.vela import NPUS, Npu, VelaResult, compile_file, vela_version
from facerec_core.options import DataOptions
from facerec_core.tflite import Interpreter, check_fully_int8
from sweep.export import Request
from sweep.export.candidates import Chosen, choose
from sweep.export.checks import (
    check_folder,
    check_golden,
    check_limits,
    check_memory,
    check_validation,
    images_to_judge,
    run_all,
)
from sweep.export.faces import data_options, golden_faces
from sweep.provenance import git_commit, versions
from sweep.steps import Steps

NO_THRESHOLD = FarThreshold.of(0.5)
"""Of a golden gallery whose network has none."""


@dataclass(frozen=True)
class _Work:
    """An export in the making."""

    request: Request
    chosen: Chosen
    options: DataOptions
    interpreter: Interpreter
    facts: NetworkFacts
    golden: Golden


def act(request: Request) -> int:
    """Export, and say what there is.

    Raises:
        UsageError: whatever can be mended by asking otherwise.
        QuantizationError: the network cannot be exported, or a check failed; nothing was written then.
    """
    check_folder(request)
    _npu(request)
    with Steps() as steps:
        steps.doing("reading the tracker")
        chosen = choose(request)
        check_limits(chosen.limits, allowed=request.flags.allow_over_limit)
        check_fully_int8(chosen.content)
        trouble = _check_interpreter(request)
        steps.doing("computing golden fingerprints")
        work = _prepare(request, chosen, measured=not trouble)
        check_memory(misfits(chosen.record, work.facts), allowed=request.flags.allow_over_limit)
        checked = _checked(work, trouble, steps)
        steps.doing("building the self-test")
        subject = _write(work, checked)
    _say(request.out, subject)
    return 0


def _check_interpreter(request: Request) -> str:
    """Why TensorFlow Lite Micro is not to be had; empty when it is.

    Raises:
        OptionError: it is not, and --allow-unverified was not given.
    """
    trouble = arena_trouble()
    if trouble and not request.flags.allow_unverified:
        hint = "--allow-unverified exports without checking anything in it"
        raise OptionError("export", trouble, "a machine where TensorFlow Lite Micro's interpreter runs", hint)
    return trouble


def _prepare(request: Request, chosen: Chosen, *, measured: bool) -> _Work:
    options = data_options(chosen.record.config, request.settings.data)
    interpreter = _interpreter(chosen.content)
    facts = _facts(chosen, options, interpreter, measured=measured)
    faces = golden_faces(request.images, options, facts.side)
    golden = make_golden(faces, _empty_gallery(chosen, facts), facts.input, run_all(interpreter))
    return _Work(request, chosen, options, interpreter, facts, golden)


def _interpreter(content: bytes) -> Interpreter:
    """Reference kernels, whose outputs are the device's."""
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        file.write(content)
        file.flush()
        return Interpreter(Path(file.name), kernels="reference", batch_size=1)


def _facts(chosen: Chosen, options: DataOptions, interpreter: Interpreter, *, measured: bool) -> NetworkFacts:
    arena = measure_arena(chosen.content) if measured else None
    return NetworkFacts(
        side=interpreter.resolution,
        dimension=interpreter.embedding,
        sha256=chosen.variant.file.sha256,
        size_bytes=len(chosen.content),
        input=interpreter.input_scale,
        output=interpreter.output_scale,
        operators=used_operators(chosen.content),
        arena=arena_bytes(arena, chosen.record.cost.arena_bytes),
        thresholds=thresholds_of(chosen.same_file),
        far_floor=chosen.variant.validation.far_floor,
        aligned=options.landmarks is not None,
        crop=options.crop,
        image_size=options.image_size,
        landmarks=landmarks_at(interpreter.resolution),
    )


def _empty_gallery(chosen: Chosen, facts: NetworkFacts) -> Gallery:
    """A gallery with the thresholds that are known, that of the sweep's own target FAR first."""
    target = chosen.variant.validation.target_far
    ordered = sorted(facts.thresholds, key=lambda one: (one.far != target, one.far))
    thresholds = tuple(FarThreshold.of(one.threshold, one.far) for one in ordered)[:MOST_THRESHOLDS]
    out = facts.output
    model = GalleryModel(facts.sha256, chosen.variant.scheme, facts.dimension, facts.side, out.scale, out.zero_point)
    preparation = Preparation(facts.image_size, round(facts.crop * CROP_UNIT))
    return Gallery(model, preparation, "best", thresholds or (NO_THRESHOLD,))


def _checked(work: _Work, trouble: str, steps: Steps) -> Checked:
    """Everything that TensorFlow Lite Micro can say before there is a folder."""
    if trouble:
        why = f"nothing was run in TensorFlow Lite Micro, because {trouble}"
        return Checked(None, None, None, (why,))
    content, record = work.chosen.content, work.chosen.record
    interpreter = f"{PACKAGE} {interpreter_version()}"
    golden = check_golden(content, work.interpreter, work.golden)
    count = images_to_judge(work.request.flags.verify_images, record.cost.macs)
    if count == 0:
        why = "no validation images were judged, because --verify-images was 0"
        return Checked(golden, None, None, (why,), interpreter)
    evaluated = work.chosen.variant.validation
    end = check_validation(content, work.interpreter, work.options, count, evaluated, steps.doing)
    return Checked(golden, end, None, (), interpreter)


def _write(work: _Work, checked: Checked) -> Subject:
    files = source_files(work.facts, work.chosen.content, work.golden)
    vela, compiled = _ethos_u(work)
    with appearing(work.request.out) as folder:
        write_files(folder, files)
        test = run_self_test(folder)
        if test is None:
            why = "the C self-test was not compiled, because there is no C compiler on this machine"
            checked = replace(checked, not_checked=(*checked.not_checked, why))
        subject = Subject(
            name=work.chosen.label,
            record=work.chosen.record,
            variant=work.chosen.variant,
            limits=work.chosen.limits,
            facts=work.facts,
            checked=replace(checked, self_test=test),
            golden_origin=work.golden.origin,
            library=library_sizes(folder / "library"),
            vela=vela,
        )
        whole = sealed({**files, **compiled, **_papers(subject)}, _provenance(work, subject))
        write_files(folder, {name: content for name, content in whole.items() if name not in files})
    return subject


def _npu(request: Request) -> Npu | None:
    """The accelerator that `--ethos-u` names.

    Raises:
        OptionError: no such accelerator, or Vela is not installed.
    """
    asked = request.flags.ethos_u
    if asked is None:
        return None
    known = {name.lower(): npu for name, npu in NPUS.items()}
    npu = known.get(asked.lower().replace("_", "-"))
    if npu is None:
        raise OptionError("--ethos-u", asked, ", ".join(known))
    vela_version()
    return npu


def _ethos_u(work: _Work) -> tuple[VelaResult | None, dict[str, bytes]]:
    """The network compiled for what `--ethos-u` names, and what Vela says of it.

    Raises:
        QuantizationError: Vela refuses the file.
    """
    npu = _npu(work.request)
    if npu is None:
        return None, {}
    result, compiled = compile_file(work.chosen.content, npu, name="facerec_model")
    return result, {"ethos_u/facerec_model_vela.tflite": compiled, "ethos_u/vela.json": to_json(asdict(result))}


def _papers(subject: Subject) -> dict[str, bytes]:
    card = model_card(subject)
    return {
        CARD: to_json(card),
        "MODEL_CARD.md": card_markdown(card).encode(),
        "README.md": readme(subject.name, subject.facts, with_vela=subject.vela is not None),
    }


def _provenance(work: _Work, subject: Subject) -> dict[str, Any]:
    chosen = work.chosen
    return {
        "command": work.request.command,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "git_commit": git_commit(),
        "sweep": chosen.sweep,
        "candidate_key": chosen.record.key,
        "mlflow_run": chosen.run_id,
        "scheme": chosen.variant.scheme,
        "model_sha256": chosen.variant.file.sha256,
        "verification": asdict(subject.checked),
    }


def _say(out: Path, subject: Subject) -> None:
    facts, checked = subject.facts, subject.checked
    lines = [
        f"{subject.name}: exported to {out}",
        f"  file {facts.size_bytes:,} bytes, arena {facts.arena.bytes:,} (a device: {facts.arena.device:,}, predicted)",
        *_check_lines(checked),
        *(f"  warning: {misfit}" for misfit in misfits(subject.record, facts)),
        f"  next: {out / 'MODEL_CARD.md'}, and README.md beside it",
    ]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _check_lines(checked: Checked) -> list[str]:
    lines = []
    if checked.golden is not None:
        one = checked.golden
        lines.append(f"  golden faces: {one.equal} of {one.images} fingerprints equal in TensorFlow Lite Micro")
    if checked.end_to_end is not None:
        end = checked.end_to_end
        lines.append(
            f"  {end.agreement.images} validation images: {end.metric} {end.micro:.4f} in TensorFlow Lite Micro, "
            f"{end.lite_rt:.4f} in LiteRT"
        )
    if checked.self_test is not None:
        lines.append(f"  self-test on this machine: {checked.self_test.said}")
    return [*lines, *(f"  warning: {why}" for why in checked.not_checked)]
