"""Trainings a search needs to know the front: `python -m benchmarks.search [--seeds 20] [--tables synthetic]`.

Trainings are looked up in a table; Optuna, the limits, costs, latencies and the search itself are real. Two tables: the
22 published MobileNetV2 classifiers with their ImageNet accuracy (`tests/golden/mobilenet_v2_table.csv`), and 400
candidates whose accuracy a formula makes up, with noise that is new for every seed. What is measured is the
hypervolume of the feasible candidates trained so far, as a share of that of all feasible candidates.

- *ours*: the search verb's source: the limits are known beforehand, nothing is trained twice; `search.sampler=front`.
- *ours, tpe*: the same with `search.sampler=tpe`, whose proposals are steered to what fits.
- *random*, *tpe*: Optuna's samplers as they come: every proposal is trained, whether it fits, or is known, or not.
- *random, filtered*: distinct feasible candidates in random order, the most a search without a model can do.

A proposal that is in no row of the table costs nobody anything.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import math
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import moocore
import numpy as np
import optuna

from facerec_core.task import Task
from facerec_core.types import DataSummary, RunRecord
from sweep import records
from sweep.compose import open_composer
from sweep.points import Point, price
from sweep.schema import Settings
from sweep.search.feasible import Survey, survey
from sweep.search.samplers import distributions
from sweep.search.source import SearchSource
from sweep.search.space import identity, read_space
from sweep.search.study import open_study
from tests.records import make_variant

PUBLISHED = Path(__file__).parents[1] / "tests" / "golden" / "mobilenet_v2_table.csv"
DATA = DataSummary("table", "0" * 16, 1, 4, 1, 4, 1, 4)
GOAL = 0.99
NOISE = 0.01
MOST_PROPOSALS = 250


@dataclass(frozen=True)
class Table:
    """Accuracy by candidate, and the candidates that fit, with what is minimised beside it."""

    survey: Survey
    accuracy: Mapping[str, float]
    costs: Mapping[str, tuple[float, float]]

    @property
    def feasible(self) -> tuple[str, ...]:
        """The candidates that fit."""
        return tuple(self.costs)


def make_table(found: Survey, accuracy: Mapping[str, float]) -> Table:
    """The rows of a space that have an accuracy."""
    listed = [one for one in found.architectures if identity(found.space.settings(one.values)) in accuracy]
    kept = Survey(found.space, tuple(listed))
    costs = {
        identity(kept.space.settings(one.values)): (float(one.cost.file_bytes), one.latency.ms) for one in kept.feasible
    }
    return Table(kept, accuracy, costs)


def published(found: Survey) -> dict[str, float]:
    """ImageNet top-1 accuracy of the published classifiers."""
    rows = csv.DictReader(PUBLISHED.read_text(encoding="utf-8").splitlines())
    settings = (({"width": float(r["width"]), "res": int(r["resolution"])}, float(r["imagenet_top1"])) for r in rows)
    return {identity(found.space.settings(values)): accuracy / 100 for values, accuracy in settings}


def synthetic(found: Survey, seed: int) -> dict[str, float]:
    """Accuracy that saturates with multiply-adds and length of the fingerprint, and noise."""
    noise = random.Random(seed)  # noqa: S311
    table = {}
    for one in found.architectures:
        settings = found.space.settings(one.values)
        work, length = math.log10(one.cost.macs / 1e7), math.log2(settings.candidate.embedding / 64)
        clean = 0.9 - 0.45 * math.exp(-0.9 * work - 0.12 * length)
        table[identity(settings)] = min(clean + noise.gauss(0, NOISE), 1.0)
    return table


def hypervolumes(table: Table, trained: Iterable[str]) -> list[float]:
    """Share of the exhaustive hypervolume after each training; what does not fit adds nothing."""
    rows = {key: (-table.accuracy[key], *table.costs[key]) for key in table.feasible}
    every = np.array(list(rows.values()))
    low, span = every.min(axis=0), np.maximum(np.ptp(every, axis=0), 1e-12)
    scaled = {key: (np.array(row) - low) / span for key, row in rows.items()}
    whole = moocore.hypervolume(np.array(list(scaled.values())), ref=[1.1] * 3)
    found, shares = [], []
    for key in trained:
        if key in scaled:
            found.append(scaled[key])
        shares.append(moocore.hypervolume(np.array(found), ref=[1.1] * 3) / whole if found else 0.0)
        if shares[-1] > 1 - 1e-12:
            break
    return shares


def ours(table: Table, seed: int, sampler: str) -> Iterator[str]:
    """Candidates in the order in which the search trains them."""
    base = table.survey.space.base
    search = dataclasses.replace(base.search, seed=seed, sampler=sampler)
    space = dataclasses.replace(table.survey.space, base=dataclasses.replace(base, search=search))
    kept = Survey(space, table.survey.architectures)
    study = open_study(optuna.storages.InMemoryStorage(), "memory", "search", space, "0")
    source = SearchSource(study, kept, as_point, lambda _text: None)
    while (point := source.ask()) is not None:
        candidate = identity(point.settings)
        if point.feasibility.feasible and candidate in table.accuracy:
            yield candidate
        source.tell(point, looked_up(table, point))


def as_point(name: str, settings: Settings) -> Point:
    """A point without data."""
    task = Task(settings.candidate, settings.recipe, "0", "stages", "cache", 1)
    return Point(name, settings, task, DATA, *price(settings))


def looked_up(table: Table, point: Point) -> RunRecord:
    """The record of a point, its validation TAR out of the table."""
    untrained = records.infeasible_record(point)
    if not point.feasibility.feasible:
        return untrained
    variant = make_variant(untrained.candidate, untrained.cost, "qat_int8", 1_500_000)
    accuracy = table.accuracy[identity(point.settings)]
    tars = dict.fromkeys(variant.validation.tar_at_far, accuracy)
    validation = dataclasses.replace(variant.validation, tar_at_far=tars, realised_tar=accuracy)
    file = dataclasses.replace(variant.file, size_bytes=untrained.cost.file_bytes)
    variant = dataclasses.replace(variant, validation=validation, file=file)
    return dataclasses.replace(untrained, status="complete", variants=(variant,))


def bare(table: Table, seed: int, sampler: str) -> Iterator[str]:
    """Optuna as it comes: every proposal of the table's rows is trained."""
    space, target = table.survey.space, ("maximize", "minimize", "minimize")
    makers = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}
    study = optuna.create_study(directions=target, sampler=makers[sampler](seed=seed))
    axes = distributions(space)
    priced = {identity(space.settings(one.values)): one for one in table.survey.architectures}
    for _ in range(MOST_PROPOSALS):
        trial = study.ask(axes)
        candidate = identity(space.settings(trial.params))
        if candidate not in priced:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        yield candidate
        one = priced[candidate]
        for check in one.feasibility.checks:
            trial.set_constraint(check.name, check.excess / check.limit)
        study.tell(trial, (table.accuracy[candidate], float(one.cost.file_bytes), one.latency.ms))


def filtered(table: Table, seed: int) -> Iterator[str]:
    """Distinct feasible candidates in random order."""
    order = list(table.feasible)
    random.Random(seed).shuffle(order)  # noqa: S311
    yield from order


METHODS: dict[str, Callable[[Table, int], Iterator[str]]] = {
    "ours": lambda table, seed: ours(table, seed, "front"),
    "ours, tpe": lambda table, seed: ours(table, seed, "tpe"),
    "random": lambda table, seed: bare(table, seed, "random"),
    "tpe": lambda table, seed: bare(table, seed, "tpe"),
    "random, filtered": filtered,
}


def needed(shares: list[float]) -> int:
    """Trainings until the goal is reached; one more than were made where it is not, which flatters."""
    return next((count for count, share in enumerate(shares, start=1) if share >= GOAL), len(shares) + 1)


def interval(values: list[float]) -> str:
    """Mean with a 95 % interval of the mean."""
    mean = statistics.fmean(values)
    half = 1.96 * statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{mean:.1f} ± {half:.1f}"


def compare(title: str, tables: Callable[[int], Table], seeds: int, methods: Sequence[str]) -> None:
    """Print one table of methods, over seeds."""
    first = tables(0)
    print(f"\n{title}: {len(first.accuracy)} candidates, {len(first.feasible)} feasible")
    counts = {name: [] for name in methods}
    at = {name: [] for name in methods}
    spent = {name: [] for name in methods}
    mark = max(len(first.feasible) // 4, 1)
    for seed in range(seeds):
        table = tables(seed)
        for name in methods:
            begun = time.process_time()
            shares = hypervolumes(table, METHODS[name](table, seed))
            spent[name].append(1000 * (time.process_time() - begun) / len(shares))
            counts[name].append(float(needed(shares)))
            at[name].append(100 * (shares[mark - 1] if mark <= len(shares) else shares[-1]))
    print(f"| method | trainings to {GOAL:.0%} | hypervolume after {mark}, % | processor ms a training |")
    print("|---|---|---|---|")
    for name in methods:
        print(f"| {name} | {interval(counts[name])} | {interval(at[name])} | {interval(spent[name])} |")
    for other in [name for name in methods if name != "ours" and "ours" in methods]:
        print(f"ours / {other}: {statistics.fmean(counts['ours']) / statistics.fmean(counts[other]):.2f}")


def constantly(table: Table) -> Callable[[int], Table]:
    """The same table for every seed."""
    return lambda _seed: table


def main() -> None:
    """Parse the arguments and print a table for each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--tables", choices=("all", "published", "synthetic"), default="all")
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=list(METHODS), help="those of TPE take longest"
    )
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if arguments.tables != "synthetic":
        compare_published(arguments.seeds, arguments.methods)
    if arguments.tables != "published":
        compare_synthetic(arguments.seeds, arguments.methods)


def compare_published(seeds: int, methods: Sequence[str]) -> None:
    """The published classifiers, under two sets of limits."""
    compose = open_composer().searching
    for lines in ([], ["board=stm32h747", "budget.parameter_bytes=null"]):
        small = survey(read_space(compose([*lines, "search.trials=22"])))
        table = make_table(small, published(small))
        trials = f"search.trials={max(len(table.feasible) - 1, 2)}"
        small = survey(read_space(compose([*lines, trials])))
        listed = make_table(small, published(small))
        compare(f"published, {' '.join(lines) or 'default limits'}", constantly(listed), seeds, methods)


def compare_synthetic(seeds: int, methods: Sequence[str]) -> None:
    """400 candidates, with new noise for every seed."""
    large = survey(
        read_space(
            open_composer().searching(
                [
                    "width=range(0.35,1.31,0.05)",
                    "res=range(96,225,32)",
                    "embedding=128,256,512,1024",
                    "board=stm32h747",
                    "search.trials=95",
                ]
            )
        )
    )
    compare("synthetic", lambda seed: make_table(large, synthetic(large, seed)), seeds, methods)


if __name__ == "__main__":
    main()
