"""Arithmetic counted by hand: a multiply-add is two operations; norms, pools and ReLU count nothing."""

from tnas_cli.spaces.cost import flops_per_image, flops_per_task
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.genotype import Genotype

POOLS = (("avg_pool_3x3", 0), ("max_pool_3x3", 1)) * 2

# 20 x 20 pixels, one channel, cells of 4 and 8 channels, so a stem of 6 and 12; 5 x 5 pixels reach the cells.
STEM = 2 * 400 * 9 * 1 * 6 + 2 * 100 * 9 * 6 * 12
CELL_INPUTS = 2 * 25 * (12 * 4) * 2 + 2 * 25 * (12 * 8) + 2 * 25 * (8 * 8)
CLASSIFIER = 2 * 16 * 3
FRAME = STEM + CELL_INPUTS + CLASSIFIER


def cost(normal: tuple[tuple[str, int], ...], reduce: tuple[tuple[str, int], ...]) -> int:
    network = DecodedNetwork(Genotype(normal, reduce), way=3, in_channels=1, channels=4)
    return flops_per_image(network.logits, network.specs(), 1, 20)


def test_stem_inputs_and_classifier() -> None:
    assert cost(POOLS, POOLS) == FRAME


def test_a_separable_convolution_counts_twice() -> None:
    once = 2 * 25 * 9 * 4 + 2 * 25 * 4 * 4
    assert cost((("sep_conv_3x3", 0), *POOLS[1:]), POOLS) == FRAME + 2 * once


def test_the_reduction_cell_works_on_a_quarter_of_the_pixels() -> None:
    dilated = 2 * 9 * 25 * 8 + 2 * 9 * 8 * 8
    assert cost(POOLS, (("dil_conv_5x5", 0), *POOLS[1:])) == FRAME + dilated
    reduced_identity = 2 * 9 * 8 * 8
    assert cost(POOLS, (("skip_connect", 0), *POOLS[1:])) == FRAME + reduced_identity


def test_a_task_is_support_steps_and_one_query_pass_forward_and_backward() -> None:
    assert flops_per_task(7, support=5, query=75, steps=3) == 3 * 7 * (15 + 75)
