"""Initial weights: their identity, and narrower networks cut out of wider ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from facerec_core import arch
from facerec_core.errors import OptionError
from facerec_core.initial import check_init, grow_arrays, init_identity, initial_arrays, slice_arrays
from facerec_core.types import Candidate
from facerec_core.weights import write_arrays

Arrays = Mapping[str, NDArray[np.float32]]
VECTORS = ("gamma", "beta", "moving_mean", "moving_variance")


def random_arrays(width: float, embedding: int, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    out = {}
    for layer in arch.layers(width, 96, embedding):
        if not layer.batch_norm:
            continue
        k = layer.kernel
        if layer.kind == "depthwise":
            out[f"{layer.name}__depthwise_kernel"] = rng.normal(size=(k, k, layer.channels_in, 1)).astype(np.float32)
        else:
            shape = (k, k, layer.channels_in, layer.channels_out)
            out[f"{layer.name}__kernel"] = rng.normal(size=shape).astype(np.float32)
        for vector in VECTORS:
            out[f"{layer.name}_bn__{vector}"] = rng.uniform(0.5, 1.5, layer.channels_out).astype(np.float32)
    return out


def channel_set(layer: str) -> str:
    """Which layers must keep the same channels, by the stage table: hidden ones a block, outputs a stage."""
    if layer in ("stem", "last"):
        return layer
    block = int(layer.removeprefix("block").split("_")[0])
    if not layer.endswith("project"):
        return f"hidden{block}" if block else "stem"
    ends = np.cumsum([repeats for _, _, repeats, _ in arch.STAGES])
    return f"stage{int(np.searchsorted(ends, block, side='right'))}"


def alive_positions(width: float, wide: float, embedding: int, wide_embedding: int) -> dict[str, NDArray[np.int64]]:
    rng = np.random.default_rng(7)
    narrow = {a.name: a for a in arch.layers(width, 96, embedding) if a.batch_norm}
    out: dict[str, NDArray[np.int64]] = {}
    for layer in arch.layers(wide, 96, wide_embedding):
        if layer.batch_norm and channel_set(layer.name) not in out:
            few = narrow[layer.name].channels_out
            out[channel_set(layer.name)] = np.sort(rng.choice(layer.channels_out, few, replace=False))
    return out


def test_the_channels_that_matter_are_kept_and_in_step_across_layers() -> None:
    wide = random_arrays(1.0, 1280)
    alive = alive_positions(0.5, 1.0, 640, 1280)
    for name, values in wide.items():
        if name.endswith("_bn__gamma"):
            dead = np.ones(len(values), bool)
            dead[alive[channel_set(name.removesuffix("_bn__gamma"))]] = False
            values[dead] = 0.0

    out = slice_arrays(wide, 0.5, 640)

    for layer in arch.layers(0.5, 96, 640):
        if layer.batch_norm:
            kept = alive[channel_set(layer.name)]
            for vector in VECTORS:
                expected = wide[f"{layer.name}_bn__{vector}"][kept]
                np.testing.assert_array_equal(out[f"{layer.name}_bn__{vector}"], expected, err_msg=layer.name)
    np.testing.assert_array_equal(out["stem__kernel"], wide["stem__kernel"][..., alive["stem"]])
    kernel = wide["block5_project__kernel"][:, :, alive["hidden5"]][..., alive["stage2"]]
    np.testing.assert_array_equal(out["block5_project__kernel"], kernel)
    np.testing.assert_array_equal(
        out["block5_depthwise__depthwise_kernel"], wide["block5_depthwise__depthwise_kernel"][:, :, alive["hidden5"]]
    )


@pytest.mark.parametrize(("width", "embedding"), [(0.35, 448), (0.35, 1280), (0.5, 640), (0.75, 128), (1.0, 1280)])
def test_a_slice_has_the_shapes_of_the_narrow_network(width: float, embedding: int) -> None:
    out = slice_arrays(random_arrays(1.0, 1280), width, embedding)
    wanted = random_arrays(width, embedding)
    assert {name: array.shape for name, array in out.items()} == {name: a.shape for name, a in wanted.items()}


def test_a_slice_of_the_same_size_is_the_network_itself() -> None:
    whole = random_arrays(0.5, 640)
    out = slice_arrays(whole, 0.5, 640)
    assert out.keys() == whole.keys()
    assert all(np.array_equal(out[name], whole[name]) for name in whole)


def test_a_network_that_is_too_narrow_is_refused_by_name() -> None:
    with pytest.raises(OptionError, match=r"train\.init: got '16 channels of stem, where 32 are needed'"):
        slice_arrays(random_arrays(0.5, 1280), 1.0, 1280)
    with pytest.raises(OptionError, match=r"0 channels of stem"):
        slice_arrays({}, 0.5, 640)


def test_slices_come_from_files(tmp_path: Path) -> None:
    path = tmp_path / "wide.npz"
    write_arrays(path, random_arrays(1.0, 1280))
    sliced = initial_arrays(f"slice:{path}", Candidate(0.5, 96, 640))
    assert sliced["last__kernel"].shape == (1, 1, 160, 640)
    assert initial_arrays(str(path), Candidate(1.0, 96, 1280))["last__kernel"].shape == (1, 1, 320, 1280)
    with pytest.raises(OptionError, match=r"train\.init: .*stem__kernel \(3, 3, 3, 32\) for \(3, 3, 3, 16\)"):
        initial_arrays(str(path), Candidate(0.5, 96, 640))


def test_the_identity_is_the_content_and_its_use(tmp_path: Path) -> None:
    one, copy, other = (tmp_path / name for name in ("one.npz", "copy.npz", "other.npz"))
    for path, seed in ((one, 0), (copy, 0), (other, 1)):
        write_arrays(path, random_arrays(0.35, 8, seed))
    assert init_identity("none") == "none"
    assert init_identity(str(one)) == init_identity(str(copy)) != init_identity(str(other))
    assert init_identity(f"slice:{one}") == init_identity(f"slice:{copy}") != init_identity(str(one))


@pytest.mark.parametrize("prefix", ["", "slice:"])
def test_an_absent_file_is_refused(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(OptionError, match=r"train\.init: .*slice:FILE.*No such file"):
        init_identity(f"{prefix}{tmp_path / 'absent.npz'}")


def test_imagenet_needs_a_width_keras_has_weights_for():
    check_init("imagenet", Candidate(0.35, 96, 1280))
    assert init_identity("imagenet") == "imagenet"
    with pytest.raises(OptionError, match=r"at width 0\.6: weights exist for 0\.35, 0\.5, 0\.75"):
        check_init("imagenet", Candidate(0.6, 96, 1280))


def test_growing_keeps_the_narrow_network_and_reads_nothing_new() -> None:
    narrow = random_arrays(0.35, 448)
    out = grow_arrays(narrow, 0.5, 640)
    for layer in arch.layers(0.5, 96, 640):
        if not layer.batch_norm:
            continue
        depthwise = layer.kind == "depthwise"
        key = f"{layer.name}__depthwise_kernel" if depthwise else f"{layer.name}__kernel"
        _, _, reads, writes = narrow[key].shape
        assert out[key].shape[2] == layer.channels_in
        np.testing.assert_array_equal(out[key][:, :, :reads, :writes], narrow[key])
        if not depthwise:
            assert not out[key][:, :, reads:].any()
        for vector, fresh in zip(VECTORS, (1.0, 0.0, 0.0, 1.0), strict=True):
            name = f"{layer.name}_bn__{vector}"
            assert len(out[name]) == layer.channels_out
            np.testing.assert_array_equal(out[name][: len(narrow[name])], narrow[name])
            assert (out[name][len(narrow[name]) :] == fresh).all()


def test_growing_is_the_same_every_time() -> None:
    narrow = random_arrays(0.35, 448)
    first, second = (grow_arrays(narrow, 0.5, 640) for _ in range(2))
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_a_wider_network_cannot_be_grown(tmp_path: Path) -> None:
    path = tmp_path / "wide.npz"
    write_arrays(path, random_arrays(0.5, 640))
    with pytest.raises(OptionError, match="grow:FILE of a network at most as wide"):
        check_init(f"grow:{path}", Candidate(0.35, 96, 448))
    assert init_identity(f"grow:{path}").startswith("grow:")
    assert init_identity(f"grow:{path}") != init_identity(f"slice:{path}") != init_identity(str(path))
