"""Batch norm, 2 x 2 maximum and ReLU in one pass, as stem and 4CONV use them; a last odd row or column is left out.

A scale may be negative, so the maximum is taken after it. ReLU and maximum can change places.
"""

from __future__ import annotations

from tnas_cli.engines.fused.kernels import Function
from tnas_cli.engines.fused.norms import CONSTANT, DOT, OF_GRADIENT, OF_VALUE, REFERENCE, SCALE, SHIFT, TOTAL
from tnas_cli.engines.fused.vectors import (
    fma,
    get,
    larger,
    load,
    put,
    registers,
    store,
    where_equal,
    where_greater,
    zeros,
)


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
                        normed = registers(mem, 4, lanes)
                        for i in range(4):
                            value = load(mem, x_at + ((i >> 1) * width + (i & 1)) * channels, lanes)
                            put(normed, i, fma(value, scale, shift))
                        upper, lower = larger(get(normed, 0), get(normed, 1)), larger(get(normed, 2), get(normed, 3))
                        largest = larger(upper, lower)
                        if rectified:
                            largest = larger(nothing, largest)
                        store(mem, o + image * o_image + row * o_row + pixel * channels + channel, largest)

    return kernel


def halving_pool_sums(lanes: int, rectified: bool) -> Function:
    """First half of the gradient: g, masked by ReLU, is written to where it came from, and its sums go to DOT and TOTAL
    of the record `sums`, which the images from `begin` on start.

    That place is named twice: if LLVM knew that both are the same, it would write through a mask, by which the loop
    takes half as long again with AVX2 (docs/engine.md).
    """

    def kernel(mem, code, at, first, count):
        x, size, channels, norm = code[at] + first * code[at + 1], code[at + 1], code[at + 2], code[at + 3]
        g, g_image = code[at + 4] + first * code[at + 5], code[at + 6]
        width, o_rows, o_width, sums, begin = code[at + 8], code[at + 9], code[at + 10], code[at + 11], code[at + 12]
        again = code[at + 13] + first * code[at + 5]
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
                        values, normed = registers(mem, 4, lanes), registers(mem, 4, lanes)
                        for i in range(4):
                            put(values, i, load(mem, x_at + ((i >> 1) * width + (i & 1)) * channels, lanes))
                            put(normed, i, fma(get(values, i), scale, shift))
                        n0, n1, n2, n3 = get(normed, 0), get(normed, 1), get(normed, 2), get(normed, 3)
                        upper, lower = larger(n0, n1), larger(n2, n3)
                        upper_value = where_greater(n1, n0, get(values, 1), get(values, 0))
                        lower_value = where_greater(n3, n2, get(values, 3), get(values, 2))
                        largest = larger(upper, lower)
                        chosen = where_greater(lower, upper, lower_value, upper_value)
                        g_at = image * g_image + (row * o_width + pixel) * channels + channel
                        kept = load(mem, g + g_at, lanes)
                        if rectified:
                            kept = where_greater(largest, nothing, kept, nothing)
                            store(mem, again + g_at, kept)
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
                        values, normed = registers(mem, 4, lanes), registers(mem, 4, lanes)
                        for i in range(4):
                            put(values, i, load(mem, from_ + ((i >> 1) * width + (i & 1)) * channels, lanes))
                            put(normed, i, fma(get(values, i), scale, shift))
                        upper, lower = larger(get(normed, 0), get(normed, 1)), larger(get(normed, 2), get(normed, 3))
                        largest = larger(upper, lower)
                        rest = load(mem, g + image * g_image + (row * o_width + pixel) * channels + channel, lanes)
                        for i in range(4):
                            part = where_equal(get(normed, i), largest, rest, nothing)
                            rest = where_equal(get(normed, i), largest, nothing, rest)
                            result = fma(part, of_gradient, fma(get(values, i), of_value, constant))
                            store(mem, to + (i >> 1) * o_row + (i & 1) * channels, result)
                    for y in range(min(2, rows - 2 * row)):
                        for pixel in range(2 * pooled, width):
                            value = load(mem, x_at + (y * width + pixel) * channels, lanes)
                            store(mem, o_at + y * o_row + pixel * channels, fma(value, of_value, constant))

    return kernel
