"""Where parameters are in the flat memory: conversion in both directions, padding, and the arrangement of each kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.fused.calling import FEW
from tests.helpers import random_genotype
from tnas_cli.engines.fused.parameters import ALIGNMENT, CHANNEL_MULTIPLE, Layout, Shape, filled_up
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.search_network import SearchNetwork

SEARCH = SearchNetwork(way=3, in_channels=3, channels=8, nodes=2)


def shapes_of(network: SearchNetwork | DecodedNetwork | FourConv) -> dict[str, Shape]:
    """The shapes of a network's parameters."""
    return {name: spec.shape for name, spec in network.specs().items()}


#: A network's shapes, and (channels, pixels) where the classifier sees whole images.
NETWORKS = {
    "search": (shapes_of(SEARCH), None),
    "decoded": (shapes_of(DecodedNetwork(random_genotype(1, 2), way=5, in_channels=1, channels=8)), None),
    "4CONV": (shapes_of(FourConv(5, 3, 84, filters=12)), (12, 25)),
}


def counted(layout: Layout) -> np.ndarray:
    """1, 2, 3, ... packed: 0 marks the padding."""
    return layout.pack(np.arange(1.0, layout.flat_size + 1))


def tensor(layout: Layout, name: str, *shape: int) -> np.ndarray:
    """The numbers at a tensor's place after packing 1, 2, 3, ..."""
    return counted(layout)[layout.offsets[name] :][: int(np.prod(shape))].reshape(shape)


def own(*shape: int) -> np.ndarray:
    """1, 2, 3, ... as a tensor of its own shape."""
    return np.arange(1.0, np.prod(shape) + 1).reshape(shape)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("leading", [(), (4,), (2, 3)])
def test_there_and_back(name: str, leading: tuple[int, ...]) -> None:
    layout = Layout(*NETWORKS[name])
    flat = np.random.default_rng(0).normal(size=(*leading, layout.flat_size)).astype("float32")
    packed = layout.pack(flat)
    assert packed.shape == (*leading, layout.size)
    assert packed.dtype == np.float32
    np.testing.assert_array_equal(layout.unpack(packed), flat)


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_filled_in_is_zero(name: str) -> None:
    """Every number has one place, and everything else is zero."""
    layout = Layout(*NETWORKS[name])
    packed = counted(layout)
    np.testing.assert_array_equal(np.sort(packed[packed != 0]), np.arange(1, layout.flat_size + 1))
    assert (packed == 0).sum() == layout.size - layout.flat_size


@pytest.mark.parametrize("name", NETWORKS)
def test_tensors_are_aligned_and_apart(name: str) -> None:
    """Each tensor's own numbers lie between its offset and the next one's."""
    shapes, features = NETWORKS[name]
    layout = Layout(shapes, features)
    packed, begin = counted(layout), 0
    offsets = [*layout.offsets.values(), layout.size]
    assert list(layout.offsets) == list(shapes)
    assert all(offset % ALIGNMENT == 0 for offset in offsets)
    for index, shape in enumerate(shapes.values()):
        here = packed[offsets[index] : offsets[index + 1]]
        size = int(np.prod(shape))
        np.testing.assert_array_equal(np.sort(here[here != 0]), np.arange(begin + 1, begin + size + 1))
        begin += size


@FEW
@given(first=st.integers(1, 20), second=st.integers(1, 20), fed=st.integers(1, 4))
def test_channels_are_filled_up_to_whole_vectors(first: int, second: int, fed: int) -> None:
    shapes = {
        "stem.0.conv": (first, fed, 3, 3),
        "stem.0.gain": (first,),
        "stem.1.conv": (second, first, 3, 3),
        "stem.1.bias": (second,),
    }
    layout = Layout(shapes)
    wide, wider = filled_up(first, CHANNEL_MULTIPLE), filled_up(second, CHANNEL_MULTIPLE)
    packed, at = counted(layout), layout.offsets
    conv = packed[at["stem.0.conv"] :][: 9 * fed * wide].reshape(3, 3, fed, wide)
    assert (conv[..., :first] != 0).all()
    assert not conv[..., first:].any()
    conv = packed[at["stem.1.conv"] :][: 9 * wide * wider].reshape(3, 3, wide, wider)
    assert (conv[:, :, :first, :second] != 0).all()
    assert not conv[:, :, first:].any()
    assert not conv[..., second:].any()
    for name, count, size in (("stem.0.gain", first, wide), ("stem.1.bias", second, wider)):
        np.testing.assert_array_equal(packed[at[name] :][:size] != 0, np.arange(size) < count)


#: Name, shape, the shape in memory, and how to get there from the tensor's own order.
ARRANGEMENTS: dict[str, tuple[str, Shape, Shape, tuple[int, ...]]] = {
    "image's convolution": ("stem.0.conv", (8, 3, 3, 3), (3, 3, 3, 8), (2, 3, 1, 0)),
    "convolution": ("block.2.conv", (8, 16, 3, 3), (3, 3, 16, 8), (2, 3, 1, 0)),
    "taps of all edges": ("normal.sep_conv_5x5.1.depthwise", (4, 8, 5, 5), (4, 5, 5, 8), (0, 2, 3, 1)),
    "taps": ("normal.0.0.depthwise", (8, 3, 3), (3, 3, 8), (1, 2, 0)),
    "pointwise of all edges": ("reduce.dil_conv_3x3.0.pointwise", (4, 8, 16), (4, 16, 8), (0, 2, 1)),
    "pointwise": ("reduce.1.0.pointwise", (8, 16), (16, 8), (1, 0)),
    "halves of skip connections": ("reduce.skip", (4, 2, 8, 16), (4, 2, 16, 8), (0, 1, 3, 2)),
    "first input": ("normal.input0", (8, 24), (24, 8), (1, 0)),
    "second input": ("reduce.input1", (16, 24), (24, 16), (1, 0)),
    "theta": ("theta", (2, 5, 8), (2, 5, 8), (0, 1, 2)),
    "gain of a convolution in a cell": ("normal.0.0.gain", (12,), (12,), (0,)),
    "bias of the classifier": ("classifier.bias", (5,), (5,), (0,)),
    "classifier": ("classifier.weight", (5, 48), (5, 48), (0, 1)),
}


@pytest.mark.parametrize("kind", ARRANGEMENTS)
def test_arrangement(kind: str) -> None:
    name, shape, there, axes = ARRANGEMENTS[kind]
    layout = Layout({name: shape})
    np.testing.assert_array_equal(tensor(layout, name, *there), own(*shape).transpose(axes))
    assert layout.strides[name] == (np.prod(there[1:]) if len(there) > 1 else 1)


def test_a_classifier_of_whole_images_reads_channels_last() -> None:
    """[way, C * pixels] -> [way, pixels * C]."""
    layout = Layout({"classifier.weight": (5, 12 * 4)}, (12, 4))
    expected = own(5, 12, 4).transpose(0, 2, 1)
    np.testing.assert_array_equal(tensor(layout, "classifier.weight", 5, 4, 12), expected)


def test_strides_lead_to_the_weights_of_an_edge() -> None:
    layout = Layout(shapes_of(SEARCH))
    name = "normal.sep_conv_3x3.0.depthwise"
    packed, flat = counted(layout), np.arange(1.0, layout.flat_size + 1)
    sizes = [int(np.prod(shape)) for shape in shapes_of(SEARCH).values()]
    begin = sum(sizes[: list(layout.offsets).index(name)])
    taps = flat[begin:][: 5 * 8 * 9].reshape(5, 8, 3, 3)
    for edge in range(5):
        at = layout.offsets[name] + edge * layout.strides[name]
        np.testing.assert_array_equal(packed[at : at + 72].reshape(3, 3, 8), taps[edge].transpose(1, 2, 0))


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, 16), (15, 16), (16, 16), (17, 32)])
def test_filled_up(count: int, expected: int) -> None:
    assert filled_up(count, 16) == expected
