"""The model card as Markdown, from its plain data alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from facerec_core.gallery.layout import PERSON_BYTES, layout_of

_LISTED_INTERVALS = {"eer": "EER", "auc": "AUC", "accuracy": "accuracy"}


def card_markdown(card: Mapping[str, Any]) -> str:
    """The card as a page; text from the configuration or from names of people is escaped."""
    sections = (
        _head(card),
        _section("Before you use it", _bullets(card["caveats"])),
        _section("Intended use", (card["intended_use"], "", f"Not intended: {card['not_intended']}")),
        _section("Biometric data", (card["biometric_data"],)),
        _section("Input and output", _interface(card["network"])),
        _section("Thresholds", _thresholds(card["network"])),
        _section("Accuracy", _accuracy(card["accuracy"])),
        _section("Groups of people", _groups(card["accuracy"]["test"])),
        _section("Searching a gallery", _identification(card["accuracy"]["test"])),
        _section("Memory", _memory(card)),
        _section("Latency", _latency(card["latency"])),
        _section("Limits it was chosen within", _limits(card["limits"])),
        _section("Ethos-U", _ethos_u(card["ethos_u"])),
        _section("Training", _training(card["training"])),
        _section("What was checked", _verification(card)),
        _section("Licences", _bullets(card["licences"])),
    )
    return "\n".join(line for lines in sections for line in lines).rstrip() + "\n"


def plain(text: object) -> str:
    """Text that means nothing in Markdown or HTML, on one line."""
    line = " ".join(str(text).split())
    return "".join(f"&#{ord(mark)};" if mark in "<>|*`[]\\" else mark for mark in line if mark.isprintable())


def rate(value: float | None) -> str:
    """A rate in per cent; a dash where it is not defined."""
    return "–" if value is None else f"{value:.2%}"


def _head(card: Mapping[str, Any]) -> Iterator[str]:
    network = card["network"]
    yield f"# Model card: {plain(card['name'])}"
    yield ""
    yield (
        f"An int8 MobileNetV2 that turns a face of {network['side']} x {network['side']} pixels into a fingerprint of "
        f"{network['dimension']} numbers. SHA-256 of the file: `{network['sha256']}`. `model_card.json` holds the same "
        "unrounded."
    )
    yield ""


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """A heading and what stands below it; nothing where there is nothing."""
    body = list(lines)
    if body:
        yield from (f"## {title}", "", *body, "")


def _bullets(texts: Sequence[str]) -> Iterator[str]:
    yield from (f"- {text}" for text in texts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _interface(network: Mapping[str, Any]) -> Iterator[str]:
    given, out, arena = network["input"], network["output"], network["arena"]
    side = network["side"]
    points = ", ".join(f"({x:.2f}, {y:.2f})" for x, y in network["landmarks"])
    cut = f"the central square, {network['crop']:.4g} of the shorter side"
    cut = "aligned by five landmarks" if network["aligned"] else cut
    yield f"- Input: int8 [1, {side}, {side}, 3], red, green, blue; pixel p stands for p / 127.5 - 1."
    yield f"- Input scale {given['scale']!r}, zero point {given['zero_point']}."
    yield (
        f"- Training images: {cut}, upright, decoded at {network['image_size']} pixels, then resized to {side} with "
        "Lanczos' filter."
    )
    yield (
        f"- Left eye, right eye, nose and corners of the mouth of an aligned face, in pixels of the input, the centre "
        f"of the first at 0: {points}."
    )
    yield f"- Output: int8 [1, {network['dimension']}], scale {out['scale']!r}, zero point {out['zero_point']}."
    yield f"- Operators: {', '.join(network['operators'])}."
    measured = arena["measured"]
    known = f"{measured:,} measured on a 64-bit computer" if measured is not None else "predicted, not measured"
    yield (
        f"- Arena: {arena['bytes']:,} bytes ({known}, and {arena['margin']:.0%} to spare); a 32-bit device is "
        f"predicted to take {arena['device']:,}."
    )


def _thresholds(network: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        (f"{one['far']:g}", f"{one['threshold']:.6f}", str(one["score"]), *(rate(one[key]) for key in _THRESHOLD_RATES))
        for one in network["thresholds"]
    ]
    if rows:
        head = ("target FAR", "cosine", "score, 2^-30", "validation FAR", "validation TAR", "test FAR", "test TAR")
        yield from _table(head, rows)
        yield ""
    yield (
        f"Chosen on validation, applied to test once. Below a FAR of {network['far_floor']:.2g} the validation pairs "
        "say too little, and there is no threshold. A sweep of the same candidate with another `target_far` adds a row."
    )


_THRESHOLD_RATES = ("validation_far", "validation_tar", "test_far", "test_tar")


def _accuracy(accuracy: Mapping[str, Any]) -> Iterator[str]:
    splits = [accuracy[name] for name in ("validation", "test")]
    names = {f"tar_at_far_{label}": f"TAR at FAR {label}" for label in splits[1]["tar_at_far"]} | _LISTED_INTERVALS
    rows = [(title, *(_with_interval(split, key) for split in splits)) for key, title in names.items()]
    counts = [
        (title, *(_count(split[key]) for split in splits))
        for key, title in (
            ("images", "images"),
            ("identities", "people"),
            ("genuine_pairs", "genuine pairs"),
            ("impostor_pairs", "impostor pairs"),
        )
    ]
    floor = ("FAR floor", *(f"{split['far_floor']:.2g}" for split in splits))
    yield from _table(("", "validation", "test"), (*rows, *counts, floor))
    yield ""
    yield (
        f"Through the file itself, LiteRT's {accuracy['kernels']} kernels, on people who were not trained on. In "
        "brackets 95 % intervals, had other people been drawn. A dash: not defined, or below the FAR floor."
    )


def _with_interval(split: Mapping[str, Any], key: str) -> str:
    label = key.removeprefix("tar_at_far_")
    value = split["tar_at_far"].get(label) if key.startswith("tar_at_far_") else split[key]
    interval = split["intervals"].get(key)
    if interval is None or value is None:
        return rate(value)
    return f"{rate(value)} ({rate(interval['low'])} to {rate(interval['high'])})"


def _count(value: int | None) -> str:
    return "not known" if value is None else f"{value:,}"


def _groups(test: Mapping[str, Any]) -> Iterator[str]:
    if not test["groups"]:
        yield "Not known: no groups were given (`data.groups`). Error rates differ between groups all the same."
        return
    rows = [
        (plain(one["group"]), _count(one["images"]), _count(one["identities"]), rate(one["far"]), rate(one["tar"]))
        for one in test["groups"]
    ]
    yield from _table(("group", "images", "people", "FAR", "TAR"), rows)
    yield ""
    yield "On test, at the threshold of everybody. A dash: too few pairs to say."


def _identification(test: Mapping[str, Any]) -> Iterator[str]:
    found = test["identification"]
    if not found:
        return
    head = ("people", "images each", "rule", "rank 1", "known missed", "strangers rejected")
    rows = [
        (
            _count(one["gallery"]),
            str(one["enrolled_images"]),
            one["rule"],
            *(_over(one[key]) for key in ("rank_1", "fnir", "unknown_rejected")),
        )
        for one in found
    ]
    yield from _table(head, rows)
    yield ""
    yield "On test, random galleries, mean and standard deviation over draws; the last two at the threshold."


def _over(value: Mapping[str, float] | None) -> str:
    return "–" if value is None else f"{value['mean']:.2%} ± {value['deviation']:.2%}"


def _memory(card: Mapping[str, Any]) -> Iterator[str]:
    memory, arena = card["memory"], card["network"]["arena"]
    yield f"- Flash: the file, {memory['model_bytes']:,} bytes; TensorFlow Lite Micro and your program come on top."
    yield f"- RAM: the arena, {arena['device']:,} bytes predicted on a device, {arena['bytes']:,} reserved."
    entry_bytes = layout_of(card["network"]["dimension"], 0, 0, 0).entry_bytes
    yield f"- A fingerprint in a gallery: {entry_bytes:,} bytes; a person: {PERSON_BYTES + 1} more, and the name."
    for one in memory["library"]:
        yield (
            f"- The match library on {one['core']}: {one['text_bytes']:,} bytes of text, {one['data_bytes']} of data, "
            f"{one['bss_bytes']} of bss ({plain(one['compiler'])}, {one['option']})."
        )
    if not memory["library"]:
        yield "- The match library was not compiled for a Cortex-M: there is no arm-none-eabi-gcc on this machine."


def _latency(latency: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"{latency['ms']:.1f} ms on {plain(latency['board'])} with {plain(latency['runtime'])}, between "
        f"{latency['low_ms']:.1f} and {latency['high_ms']:.1f}. How that is known: {latency['provenance']} "
        f"({plain(latency['source'])})."
    )


def _amount(value: float, unit: str) -> str:
    return f"{value:,.0f}" if unit == "bytes" else f"{value:,.6g}"


def _limits(limits: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not limits:
        return
    rows = [
        (
            plain(one["name"]),
            plain(one["figure"]),
            _amount(one["value"], one["unit"]),
            f"{_amount(one['limit'], one['unit'])} {one['unit']}",
            f"{_amount(-one['excess'], one['unit'])} {one['unit']}",
            one["verdict"],
        )
        for one in limits
    ]
    yield from _table(("limit", "judged by", "value", "limit", "margin", "verdict"), rows)


def _ethos_u(vela: Mapping[str, Any] | None) -> Iterator[str]:
    if vela is None:
        return
    yield (
        f"`ethos_u/facerec_model_vela.tflite`, compiled by Vela {plain(vela['vela_version'])} for "
        f"{plain(vela['accelerator'])} ({plain(vela['system_config'])}, {plain(vela['memory_mode'])}): "
        f"{vela['inference_ms']:.3f} ms simulated at {vela['clock_mhz']:g} MHz, {vela['sram_bytes']:,} bytes of SRAM, "
        f"file {vela['size_bytes']:,} bytes. Nothing was timed, and nothing of it was run here."
    )
    left = ", ".join(vela["cpu_operators"]) or "none"
    yield f"Operators left to the CPU: {left}."


def _training(training: Mapping[str, Any]) -> Iterator[str]:
    data = training["data"]
    if data is not None:
        yield (
            f"Data: {plain(data['name'])}, fingerprint `{plain(data['fingerprint'])}`: {data['train_images']:,} images "
            f"of {data['train_identities']:,} people to train on."
        )
        yield ""
    config = training["config"]
    rows = [(f"`{key}`", plain(value)) for name in ("train", "quant") for key, value in _leaves(config[name], name)]
    yield from _table(("key", "value"), [*rows, ("`seed`", str(training["seed"]))])
    yield ""
    versions = ", ".join(f"{plain(name)} {plain(version)}" for name, version in training["versions"].items())
    yield f"Trained with commit {plain(training['git_commit'] or 'not known')}; {versions}."


def _leaves(value: object, name: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}")
    elif value is not None:
        yield name, value


def _verification(card: Mapping[str, Any]) -> Iterator[str]:
    checked = card["verification"]
    golden, end, test = checked["golden"], checked["end_to_end"], checked["self_test"]
    if checked["interpreter"] is not None:
        yield f"- TensorFlow Lite Micro is that of the package {plain(checked['interpreter'])}."
    if golden is not None:
        yield f"- Golden faces ({plain(card['golden_faces'])}): {_agreement(golden)}."
    if end is not None:
        interval = end["interval"]
        within = (
            "equal is required" if interval is None else f"{rate(interval['low'])} to {rate(interval['high'])} allowed"
        )
        yield f"- {end['agreement']['images']} validation images: {_agreement(end['agreement'])}."
        yield (
            f"- {end['metric']} of their {end['genuine_pairs']:,} genuine and {end['impostor_pairs']:,} impostor "
            f"pairs: {rate(end['lite_rt'])} through LiteRT, {rate(end['micro'])} through TensorFlow Lite Micro "
            f"({within})."
        )
    if end is not None and end["threshold"] is not None:
        yield (
            f"- At the threshold {end['threshold']:.4f} TensorFlow Lite Micro's fingerprints of them give FAR "
            f"{rate(end['device_far'])} and TAR {rate(end['device_tar'])}."
        )
    if test is not None:
        yield f"- The C self-test, compiled and run here ({plain(test['compiler'])}): {plain(test['said'])}."
    yield from (f"- Not checked: {plain(why)}." for why in checked["not_checked"])


def _agreement(found: Mapping[str, int]) -> str:
    return (
        f"TensorFlow Lite Micro gives {found['equal']} of {found['images']} fingerprints exactly as LiteRT's reference "
        f"kernels do, and no number differs by more than {found['largest_step']} step(s)"
    )
