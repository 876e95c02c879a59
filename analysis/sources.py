"""Where each figure of the recommended candidate comes from: a row a figure, with what was measured and on what."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.comparison import interval
from analysis.figure_data import ram_bytes
from analysis.selection import Entry, Metric
from analysis.wording import interval_text, percent, quantity
from facerec_core.types import Evaluation, RunRecord, VariantRecord

KERNELS = {
    "fast": "LiteRT's XNNPACK kernels",
    "reference": "reference kernels, which equal TensorFlow Lite Micro's",
}
LATENCY_KINDS = {
    "measured": "measured on this board with this runtime",
    "fitted": "estimated by a fit to timings of this board and runtime",
    "borrowed": "estimated by another board's fit, scaled to this board's own timings",
    "emulated": "instructions counted in an emulator, scaled by timings of this board",
    "simulated": "simulated by Arm's Vela",
    "extrapolated": "estimated outside the networks that were timed",
}


@dataclass(frozen=True)
class Source:
    """One figure, its value as printed, and how it is known."""

    figure: str
    value: str
    known: str


def sources(entry: Entry, metric: Metric) -> list[Source]:
    """The figures of an entry that has a variant; none for one that was not trained."""
    record, variant = entry.record, entry.variant
    return [] if variant is None else [*_rates(variant, metric), *_memory(record, variant), _latency(record)]


def _rates(variant: VariantRecord, metric: Metric) -> list[Source]:
    return [_rate(evaluation, variant, metric) for evaluation in (variant.validation, variant.test)]


def _rate(evaluation: Evaluation, variant: VariantRecord, metric: Metric) -> Source:
    pairs = f"{quantity(evaluation.genuine_pairs)} genuine and {quantity(evaluation.impostor_pairs)} impostor pairs"
    people = "" if evaluation.identities is None else f" of {quantity(evaluation.identities)} people"
    known = f"the .tflite file itself, run with {KERNELS[variant.kernels]}, on {pairs}{people}"
    spread, replicates = interval(evaluation, metric), len(evaluation.replicates.get(metric.name, ()))
    value = percent(metric.of(evaluation))
    if spread is not None:
        value += f" ({interval_text(spread)})"
        known += f"; 95 % interval from {replicates} resamplings of the people"
    return Source(f"{metric.title}, {evaluation.split}", value, known)


def _memory(record: RunRecord, variant: VariantRecord) -> list[Source]:
    cost, arena = record.cost, variant.file.arena
    found = [
        Source("file", quantity(variant.file.size_bytes, "bytes"), f"read from disk; sha256 {variant.file.sha256}"),
        Source("parameters", quantity(cost.parameters_without_head), "counted from the layer list, without the head"),
        Source("MACs", quantity(cost.macs), "counted from the layer list, without the head"),
        Source("RAM", quantity(ram_bytes(record), "bytes"), _ram_known(record)),
    ]
    if arena is not None:
        measured = "measured in TensorFlow Lite Micro's interpreter on this 64-bit machine"
        found.append(Source("arena", quantity(arena.total_bytes, "bytes"), measured))
    return found


def _ram_known(record: RunRecord) -> str:
    if ram_bytes(record) == record.cost.peak_activation_bytes:
        return "tensors alive at once, counted from the layer list; what a vendor's runtime adds is in the limit"
    return "the arena of TensorFlow Lite Micro on a 32-bit device, predicted from the layer list"


def _latency(record: RunRecord) -> Source:
    latency = record.latency
    value = f"{quantity(latency.ms)} ms ({quantity(latency.low_ms)}–{quantity(latency.high_ms)})"
    known = f"{latency.provenance}: {LATENCY_KINDS[latency.provenance]}; {latency.board}, {latency.runtime}"
    return Source("latency", value, f"{known}; {latency.source}" if latency.source else known)
