"""Moving pixels between layouts: padded, split, subsampled and concatenated copies, and the sums that lead back.

Two tables say where a row and a column of an image lie in the other layout; -1 leaves a row or column out.
"""

from __future__ import annotations

from tnas_cli.engines.fused.kernels import Function
from tnas_cli.engines.fused.norms import SCALE, SHIFT
from tnas_cli.engines.fused.vectors import fma, larger, load, store, zeros


def place(lanes: int, scaled: bool, rectified: bool) -> Function:
    """out[row_table[y] + column_table[x]] = in[y, x], through a norm's scale and shift, and ReLU, if so compiled."""

    def kernel(mem, code, at, first, count):
        x, x_image, channels = code[at] + first * code[at + 1], code[at + 2], code[at + 3]
        o, o_image, norm = code[at + 4] + first * code[at + 5], code[at + 6], code[at + 7]
        rows, width = code[at + 8], code[at + 9]
        row_table, column_table = at + 10, at + 10 + rows
        nothing = zeros(mem, lanes)
        for channel in range(0, channels, lanes):
            scale = shift = nothing
            if scaled:
                scale = load(mem, norm + SCALE * channels + channel, lanes)
                shift = load(mem, norm + SHIFT * channels + channel, lanes)
            for image in range(count):
                for row in range(rows):
                    to = code[row_table + row]
                    if to >= 0:
                        o_at = o + image * o_image + to + channel
                        x_at = x + image * x_image + row * width * channels + channel
                        for pixel in range(width):
                            column = code[column_table + pixel]
                            if column >= 0:
                                value = load(mem, x_at + pixel * channels, lanes)
                                if scaled:
                                    value = fma(value, scale, shift)
                                if rectified:
                                    value = larger(nothing, value)
                                store(mem, o_at + column, value)

    return kernel


def collect(lanes: int) -> Function:
    """in[y, x] += out[row_table[y] + column_table[x]]: the gradient of `place` without scale and ReLU."""

    def kernel(mem, code, at, first, count):
        x, x_image, channels = code[at] + first * code[at + 1], code[at + 2], code[at + 3]
        o, o_image = code[at + 4] + first * code[at + 5], code[at + 6]
        rows, width = code[at + 8], code[at + 9]
        row_table, column_table = at + 10, at + 10 + rows
        for image in range(count):
            for row in range(rows):
                to = code[row_table + row]
                if to >= 0:
                    for pixel in range(width):
                        column = code[column_table + pixel]
                        if column >= 0:
                            o_at = o + image * o_image + to + column
                            x_at = x + image * x_image + (row * width + pixel) * channels
                            for channel in range(0, channels, lanes):
                                total = load(mem, x_at + channel, lanes) + load(mem, o_at + channel, lanes)
                                store(mem, x_at + channel, total)

    return kernel


def fill_zero(lanes: int) -> Function:
    """Zeros, `size` numbers for every image at hand."""

    def kernel(mem, code, at, first, count):
        o, size = code[at] + first * code[at + 1], code[at + 2] * count
        nothing = zeros(mem, lanes)
        whole = size // lanes * lanes
        for i in range(0, whole, lanes):
            store(mem, o + i, nothing)
        for i in range(whole, size):
            mem[o + i] = 0.0

    return kernel
