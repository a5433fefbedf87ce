"""Batch norm, 2 x 2 maximum and ReLU in one pass, as stem and 4CONV use them; a last odd row or column is left out.

A scale may be negative, so the maximum is taken after it. ReLU and maximum can change places.
"""

from __future__ import annotations

from tnas_cli.engines.fused.kernels import Function
from tnas_cli.engines.fused.norms import CONSTANT, DOT, OF_GRADIENT, OF_VALUE, REFERENCE, SCALE, SHIFT, TOTAL
from tnas_cli.engines.fused.vectors import fma, load, store, where_equal, where_greater, zeros


def halving_pool(lanes: int, rectified: bool) -> Function:
    """out[y, x] = maximum over 2 x 2 of scale * in + shift, then ReLU."""

    def kernel(mem, code, at, first, count):
        x, size, channels, norm = code[at] + first * code[at + 1], code[at + 1], code[at + 2], code[at + 3]
        o, o_image, o_row = code[at + 4] + first * code[at + 5], code[at + 6], code[at + 7]
        width, o_rows, o_width = code[at + 8], code[at + 9], code[at + 10]
        nothing = zeros(mem, lanes)
        for image in range(count):
            for row in range(o_rows):
                for channel in range(0, channels, lanes):
                    scale = load(mem, norm + SCALE * channels + channel, lanes)
                    shift = load(mem, norm + SHIFT * channels + channel, lanes)
                    for pixel in range(o_width):
                        x_at = x + image * size + (2 * row * width + 2 * pixel) * channels + channel
                        largest = fma(load(mem, x_at, lanes), scale, shift)
                        for i in range(1, 4):
                            value = load(mem, x_at + ((i >> 1) * width + (i & 1)) * channels, lanes)
                            normed = fma(value, scale, shift)
                            largest = where_greater(normed, largest, normed, largest)
                        if rectified:
                            largest = where_greater(largest, nothing, largest, nothing)
                        store(mem, o + image * o_image + row * o_row + pixel * channels + channel, largest)

    return kernel


def halving_pool_sums(lanes: int, rectified: bool) -> Function:
    """First half of the gradient: g is masked by ReLU, and its sums go to DOT and TOTAL of the record `sums`, which the
    images from `begin` on start."""

    def kernel(mem, code, at, first, count):
        x, size, channels, norm = code[at] + first * code[at + 1], code[at + 1], code[at + 2], code[at + 3]
        g, g_image = code[at + 4] + first * code[at + 5], code[at + 6]
        width, o_rows, o_width, sums, begin = code[at + 8], code[at + 9], code[at + 10], code[at + 11], code[at + 12]
        nothing = zeros(mem, lanes)
        if first == begin:
            for i in range(0, channels, lanes):
                store(mem, sums + DOT * channels + i, nothing)
                store(mem, sums + TOTAL * channels + i, nothing)
        for image in range(count):
            for row in range(o_rows):
                for channel in range(0, channels, lanes):
                    scale = load(mem, norm + SCALE * channels + channel, lanes)
                    shift = load(mem, norm + SHIFT * channels + channel, lanes)
                    reference = load(mem, norm + REFERENCE * channels + channel, lanes)
                    dot_at, total_at = sums + DOT * channels + channel, sums + TOTAL * channels + channel
                    dot = total = nothing
                    for pixel in range(o_width):
                        x_at = x + image * size + (2 * row * width + 2 * pixel) * channels + channel
                        first_value = load(mem, x_at, lanes)
                        chosen, largest = first_value, fma(first_value, scale, shift)
                        for i in range(1, 4):
                            value = load(mem, x_at + ((i >> 1) * width + (i & 1)) * channels, lanes)
                            normed = fma(value, scale, shift)
                            chosen = where_greater(normed, largest, value, chosen)
                            largest = where_greater(normed, largest, normed, largest)
                        g_at = g + image * g_image + (row * o_width + pixel) * channels + channel
                        kept = load(mem, g_at, lanes)
                        if rectified:
                            kept = where_greater(largest, nothing, kept, nothing)
                            store(mem, g_at, kept)
                        total = total + kept
                        dot = fma(kept, chosen - reference, dot)
                    store(mem, dot_at, load(mem, dot_at, lanes) + dot)
                    store(mem, total_at, load(mem, total_at, lanes) + total)

    return kernel


def halving_pool_gradient(lanes: int) -> Function:
    """Second half: the gradient of the values before the norm, for every pixel, from the masked g.

    A maximum that occurs twice counts where it occurs first. Images from number `measured` on gave no moments.
    """

    def kernel(mem, code, at, first, count):
        x, size, channels, norm = code[at] + first * code[at + 1], code[at + 1], code[at + 2], code[at + 3]
        g, g_image = code[at + 4] + first * code[at + 5], code[at + 6]
        width, o_rows, o_width, rows = code[at + 8], code[at + 9], code[at + 10], code[at + 11]
        o, o_image, o_row, measured = code[at + 12], code[at + 13], code[at + 14], code[at + 15]
        nothing = zeros(mem, lanes)
        for image in range(count):
            for row in range(-(-rows // 2)):
                for channel in range(0, channels, lanes):
                    scale = load(mem, norm + SCALE * channels + channel, lanes)
                    shift = load(mem, norm + SHIFT * channels + channel, lanes)
                    of_gradient = load(mem, norm + OF_GRADIENT * channels + channel, lanes)
                    of_value = load(mem, norm + OF_VALUE * channels + channel, lanes)
                    constant = load(mem, norm + CONSTANT * channels + channel, lanes)
                    if first + image >= measured:
                        of_value = constant = nothing
                    x_at = x + image * size + 2 * row * width * channels + channel
                    o_at = o + image * o_image + 2 * row * o_row + channel
                    pooled = o_width if row < o_rows else 0
                    for pixel in range(pooled):
                        from_, to = x_at + 2 * pixel * channels, o_at + 2 * pixel * channels
                        largest = fma(load(mem, from_, lanes), scale, shift)
                        for i in range(1, 4):
                            value = load(mem, from_ + ((i >> 1) * width + (i & 1)) * channels, lanes)
                            normed = fma(value, scale, shift)
                            largest = where_greater(normed, largest, normed, largest)
                        rest = load(mem, g + image * g_image + (row * o_width + pixel) * channels + channel, lanes)
                        for i in range(4):
                            value = load(mem, from_ + ((i >> 1) * width + (i & 1)) * channels, lanes)
                            normed = fma(value, scale, shift)
                            part = where_equal(normed, largest, rest, nothing)
                            rest = where_equal(normed, largest, nothing, rest)
                            result = fma(part, of_gradient, fma(value, of_value, constant))
                            store(mem, to + (i >> 1) * o_row + (i & 1) * channels, result)
                    for y in range(min(2, rows - 2 * row)):
                        for pixel in range(2 * pooled, width):
                            value = load(mem, x_at + (y * width + pixel) * channels, lanes)
                            store(mem, o_at + y * o_row + pixel * channels, fma(value, of_value, constant))

    return kernel
