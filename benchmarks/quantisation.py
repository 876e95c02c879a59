"""What PTQ loses and what QAT keeps, over several seeds, of a sweep in the tracker.

For every architecture: the rates of each variant, what QAT has of its own float control, what PTQ lost of the float
network, and how much of that QAT won back. A figure is the mean over the seeds. Its 95 % interval says how far it may
be off had other people been photographed (the same resampled people meet every variant and seed); the lowest and
highest seed stand beside it, since no resampling of people shows what another training would have given. The sweep has
to be made with quant.qat.control=true, several seeds and eval.replicates above 0. Of two architectures with the same
seeds the second is also set against the first.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from measuring import find_project

if TYPE_CHECKING:
    from facerec_core.types import Evaluation, RunRecord

VARIANTS = ("float32", "float32_control", "ptq_int8", "qat_int8")
METRICS = ("tar_at_far_1e-2", "tar_at_far_1e-3")
SCORES = ("accuracy", "eer")
LESS = " less "
NOTICEABLE_LOSS = 0.03
"""PTQ has to lose more of a rate than this share of it; of less, what is recovered is noise divided by noise."""


@dataclass(frozen=True)
class OverSeeds:
    """A figure over seeds: mean, 95 % interval by resampled people, lowest and highest seed."""

    mean: float
    low: float
    high: float
    lowest: float
    highest: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f}; seeds {self.lowest:.3f} to {self.highest:.3f})"


def main() -> None:
    """Parse the arguments, read the sweep, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweeps", nargs="+", help="names of sweeps in the tracker; together they hold all seeds")
    parser.add_argument("--root", type=Path, default=Path("mlruns"), help="default: %(default)s")
    parser.add_argument("--split", choices=("test", "validation"), default="test", help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="a JSON list instead of the text")
    arguments = parser.parse_args()
    find_project()
    groups = by_name(load(arguments.root, arguments.sweeps))
    found = {name: figures(records, arguments.split) for name, records in groups.items()}
    found |= differences(groups, arguments.split)
    if arguments.json:
        print(json.dumps([{"candidate": name, **as_json(rows)} for name, rows in found.items()], indent=1))
        return
    for name, rows in found.items():
        seeds = ", ".join(str(record.seed) for record in groups[name.split(LESS)[0]])
        print(f"\n{name}, seeds {seeds}, {arguments.split}")
        for label, value in rows.items():
            print(f"  {label:52}{value}")


def load(root: Path, sweeps: Sequence[str]) -> list[RunRecord]:
    """The complete candidates of the sweeps."""
    from sweep.tracking import Tracker

    tracker = Tracker.open(root, None, "facerec-sweep", create=False)
    records = [record for name in sweeps for record in tracker.load_records(tracker.find_sweeps(name)[0])]
    return [record for record in records if record.status == "complete"]


def by_name(records: Sequence[RunRecord]) -> dict[str, list[RunRecord]]:
    """Candidates of one architecture, by seed.

    Raises:
        SystemExit: a seed comes twice: two recipes, which would not average.
    """
    from analysis.selection import candidate_names

    groups: dict[str, list[RunRecord]] = {}
    for record in sorted(records, key=lambda each: each.seed):
        name = candidate_names([record])[record.key]
        if any(other.seed == record.seed for other in groups.get(name, ())):
            raise SystemExit(f"{name}: got seed {record.seed} twice, allowed: one recipe; name sweeps of one recipe")
        groups.setdefault(name, []).append(record)
    return groups


def figures(records: Sequence[RunRecord], split: str) -> dict[str, OverSeeds]:
    """Every figure of one architecture by its label."""
    judged: list[dict[str, Evaluation]] = [{v.scheme: getattr(v, split) for v in r.variants} for r in records]
    rows: dict[str, OverSeeds] = {}
    for metric in (*METRICS, *SCORES):
        for scheme in VARIANTS:
            if all(scheme in each for each in judged):
                rows[f"{scheme} {metric}"] = over_seeds(judged, metric, itemgetter(scheme))
    for metric in METRICS:
        rows |= quantisation(judged, metric)
    return rows


def differences(groups: dict[str, list[RunRecord]], split: str) -> dict[str, dict[str, OverSeeds]]:
    """What each further architecture has more than the first one, where both have the same seeds."""
    (first, base), *others = groups.items()
    seeds = [record.seed for record in base]
    found: dict[str, dict[str, OverSeeds]] = {}
    for name, records in others:
        if [record.seed for record in records] == seeds:
            pairs = list(zip(base, records, strict=True))
            found[f"{name}{LESS}{first}"] = {
                f"{scheme} {metric}": difference(pairs, split, scheme, metric)
                for metric in METRICS
                for scheme in VARIANTS
                if all(scheme in {v.scheme for v in record.variants} for pair in pairs for record in pair)
            }
    return found


def difference(pairs: Sequence[tuple[RunRecord, RunRecord]], split: str, scheme: str, metric: str) -> OverSeeds:
    """The second of each pair less the first, one variant of both."""
    judged = [
        {side: getattr(v, split) for side, record in enumerate(pair) for v in record.variants if v.scheme == scheme}
        for pair in pairs
    ]
    return over_seeds(judged, metric, lambda of: of[1] - of[0])


def quantisation(judged: Sequence[dict[str, Evaluation]], metric: str) -> dict[str, OverSeeds]:
    """What QAT keeps of the control, what PTQ loses, and what QAT wins back of it."""
    rows = {f"ptq_int8 / float32 {metric}": over_seeds(judged, metric, lambda of: of["ptq_int8"] / of["float32"])}
    rows[f"qat_int8 / float32 {metric}"] = over_seeds(judged, metric, lambda of: of["qat_int8"] / of["float32"])
    if all("float32_control" in each for each in judged):
        rows[f"qat_int8 / float32_control {metric}"] = over_seeds(
            judged, metric, lambda of: of["qat_int8"] / of["float32_control"]
        )
    if rows[f"ptq_int8 / float32 {metric}"].mean < 1 - NOTICEABLE_LOSS:
        rows[f"share of PTQ's loss recovered {metric}"] = over_seeds(
            judged, metric, lambda of: (of["qat_int8"] - of["ptq_int8"]) / (of["float32"] - of["ptq_int8"]), pooled=True
        )
    return rows


def over_seeds(
    judged: Sequence[Mapping[Any, Evaluation]],
    metric: str,
    formula: Callable[[dict[Any, Any]], Any],
    *,
    pooled: bool = False,
) -> OverSeeds:
    """The mean of a formula of rates over seeds; or, `pooled`, the formula of mean rates, for quotients of losses."""
    from facerec_core.bootstrap import percentile_interval, rate

    exact = [{scheme: rate(of, metric) for scheme, of in each.items()} for each in judged]
    drawn = [{scheme: np.array(of.replicates[metric]) for scheme, of in each.items()} for each in judged]
    seeds = [float(formula(each)) for each in exact]
    if pooled:
        value, replicates = float(formula(mean_of(exact))), formula(mean_of(drawn))
    else:
        value, replicates = float(np.mean(seeds)), np.mean([formula(each) for each in drawn], axis=0)
    interval = percentile_interval(replicates)
    return OverSeeds(value, interval.low, interval.high, min(seeds), max(seeds))


def mean_of(each: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The mean over seeds, variant by variant."""
    return {scheme: np.mean([seed[scheme] for seed in each], axis=0) for scheme in each[0]}


def as_json(rows: dict[str, OverSeeds]) -> dict[str, dict[str, float]]:
    """Rounded to four decimals: what 200 replicates resolve."""
    return {label: {key: round(number, 4) for key, number in asdict(value).items()} for label, value in rows.items()}


if __name__ == "__main__":
    main()
