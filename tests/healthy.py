"""Records whose int8 files were compared with float32 layer by layer; made up without running anything."""

from __future__ import annotations

import dataclasses

from facerec_core.arch import candidate_layers
from facerec_core.types import DEPLOYABLE, LayerHealth, QuantisationHealth, RunRecord, Scheme

LEVEL: dict[Scheme, float] = {"ptq_int8": 40.0, "qat_int8": 30.0}
DROP = {"add": 1.0, "depthwise": -4.0, "pointwise": 0.0, "conv": 5.0, "mean": 6.0, "dense": 6.0}
WORST = ("block3_depthwise", "block15_add", "block12_project")


def made_up_health(record: RunRecord, scheme: Scheme) -> QuantisationHealth:
    """Layers that lose more the later they come, three of them much, the worst first in WORST."""
    layers = candidate_layers(record.candidate)
    found = []
    for place, layer in enumerate(layers):
        ratio = LEVEL[scheme] - place / 10 + DROP[layer.kind]
        if layer.name in WORST:
            ratio = 9.0 + 2 * WORST.index(layer.name) + (scheme == "ptq_int8")
        fitted = place + 1 < len(layers) and layers[place + 1].kind == "depthwise"
        found.append(LayerHealth(layer.name, ratio, fitted))
    return QuantisationHealth(32, tuple(found))


def with_health(record: RunRecord) -> RunRecord:
    """The record, had the layers of its int8 files been compared."""
    variants = tuple(
        dataclasses.replace(variant, health=made_up_health(record, variant.scheme))
        if variant.scheme in DEPLOYABLE
        else variant
        for variant in record.variants
    )
    return dataclasses.replace(record, variants=variants)
