"""The help texts. Keys, defaults and comments are read out of `conf/`, so that there is no second copy of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

_DEFAULT = re.compile(r"  - (?P<group>\w+): (?P<option>\S+)\s*# (?P<comment>.*)")


@dataclass(frozen=True)
class Verb:
    """A verb of the command line: one line on what it does, and commands to copy."""

    name: str
    summary: str
    examples: tuple[str, ...]


VERBS = {
    verb.name: verb
    for verb in (
        Verb("run", "train, quantise and evaluate one candidate", ("run", "run width=0.5 res=128", "run debug=fast")),
        Verb(
            "multirun",
            "the same for every combination of the values listed",
            ("multirun width=0.35,0.5 res=96,128", "multirun 'res=range(96,225,32)' seed=1,2,3"),
        ),
        Verb(
            "search",
            "candidates proposed by Optuna, within the limits",
            (
                "search",
                "search width=0.35,0.5,0.75 res=96,128 search.trials=4",
                "search board=stm32h747 search.trials=8",
            ),
        ),
        Verb(
            "plan",
            "what candidates cost and which limits they keep, without training",
            ("plan", "plan width=0.35,0.5 res=96,128 board=stm32h747", "plan budget.latency.limit_ms=300 --json"),
        ),
        Verb(
            "report",
            "the Pareto front, the ROC curves and the recommendation of a sweep",
            ("report", "report sweep=all", "report reference=mobilenet_v2_table", "report sweep=demo target_far=1e-2"),
        ),
        Verb(
            "compare",
            "two candidates or two sweeps side by side, with an exit status",
            (
                "compare 0.35@96-448 0.5@96-640",
                "compare baseline latest --max-drop 0.01 --json",
                "compare baseline:0.5@128-640 latest:0.5@128-640 --split test",
            ),
        ),
        Verb(
            "data",
            "the data set: info, prepare, check, fetch",
            ("data info", "data prepare res=96,128", "data fetch lfw", "data check --out sheet.png"),
        ),
        Verb(
            "latency",
            "the latency tables: show, fit, measure, bench, import, simulate",
            (
                "latency show --board stm32f746",
                "latency fit board=stm32h747",
                "latency measure width=0.35,0.5 res=96,128",
                "latency bench --out bench width=0.35,0.5 res=96,128",
                "latency import uart.log --board my_board",
                "latency simulate --board ethos_u55_128",
            ),
        ),
        Verb(
            "enroll",
            "images of a person into a gallery of fingerprints",
            ("enroll --gallery people.fpdb --model ptq_int8.tflite --threshold 0.4 --name Ada ada1.jpg ada2.jpg",),
        ),
        Verb(
            "identify",
            "who of a gallery is on an image, or nobody",
            ("identify --gallery people.fpdb --model ptq_int8.tflite door.jpg",),
        ),
        Verb(
            "verify",
            "whether two images show one person",
            ("verify --model ptq_int8.tflite --threshold 0.4 one.jpg other.jpg",),
        ),
        Verb(
            "gallery",
            "the people enrolled: list, info, remove, export",
            (
                "gallery list --gallery people.fpdb",
                "gallery remove --gallery people.fpdb --name Ada",
                "gallery export --gallery people.fpdb --out firmware/faces",
            ),
        ),
        Verb(
            "export",
            "a network as a folder that firmware is built from, checked",
            (
                "export --out firmware",
                "export candidate=BEST variant=qat_int8 sweep=demo --out firmware",
                "export candidate=3f2a91c0 --out firmware --ethos-u ethos-u55-128",
            ),
        ),
        Verb("status", "how a sweep stands, from another shell", ("status", "status sweep=demo", "status --json")),
        Verb("ui", "MLflow's own pages on this machine", ("ui", "ui --port 5001")),
        Verb(
            "studio",
            "a page of this machine to enrol and recognise people on",
            ("studio", "studio candidate=BEST sweep=demo board=stm32h747 --gallery people.fpdb"),
        ),
    )
}


def overview() -> str:
    """The help of the whole command."""
    verbs = "\n".join(f"  {verb.name:10}{verb.summary}" for verb in VERBS.values())
    examples = "\n".join(f"  python -m sweep {verb.examples[-1]}" for verb in VERBS.values())
    return f"""\
Choose and ship a face-recognition network for a microcontroller.

usage: python -m sweep VERB [KEY=VALUE ...] [flags]

Verbs:
{verbs}

Examples:
{examples}

`python -m sweep VERB --help` lists the keys and flags of a verb.
Tab completion: eval "$(python -m sweep --shell-completion install=bash)"
"""


def verb_help(verb: Verb, flags: str) -> str:
    """The help of one verb; `flags` is the list of its flags."""
    examples = "\n".join(f"  python -m sweep {example}" for example in verb.examples)
    return f"""\
python -m sweep {verb.name}: {verb.summary}

usage: python -m sweep {verb.name} [KEY=VALUE ...] [flags]

Examples:
{examples}

Keys, with their defaults:
{_root_keys()}
Groups (GROUP=OPTION chooses, GROUP.KEY=VALUE changes one key of it, `--cfg job` prints them all):
{_groups()}

{flags}"""


def _root_keys() -> str:
    """The root configuration's own keys, as they stand in the file."""
    _, _, own = _root_config().partition("\n\n")
    return "".join(f"  {line}\n" if line else "\n" for line in own.splitlines())


def _groups() -> str:
    return "\n".join(
        f"  {match['group'] + '=' + match['option']:24}{match['comment']}; {', '.join(_options(match['group']))}"
        for match in _DEFAULT.finditer(_root_config())
    )


def _options(group: str) -> list[str]:
    entries = (entry.name for entry in files("conf").joinpath(group).iterdir())
    return sorted(name.removesuffix(".yaml") for name in entries if name.endswith(".yaml"))


def _root_config() -> str:
    return files("conf").joinpath("config.yaml").read_text(encoding="utf-8")
