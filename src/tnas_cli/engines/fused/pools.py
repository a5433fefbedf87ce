"""3 x 3 pools with padding 1, for stride 1 and 2, and their gradients. The average does not count the padding."""

from __future__ import annotations

from tnas_cli.engines.fused.kernels import Function
from tnas_cli.engines.fused.vectors import larger, load, splat, store, where_equal, zeros


def pool(lanes: int, maximum: bool) -> Function:
    """out[y, x] = maximum or mean of the 3 x 3 neighbourhood of in[y * stride, x * stride]."""

    def kernel(mem, code, at, first, count):
        x, size, channels = code[at] + first * code[at + 1], code[at + 1], code[at + 2]
        o, o_size = code[at + 3] + first * code[at + 4], code[at + 4]
        rows, width, o_rows, o_width, stride = code[at + 5], code[at + 6], code[at + 7], code[at + 8], code[at + 9]
        for image in range(count):
            for row in range(o_rows):
                top, bottom = max(row * stride - 1, 0), min(row * stride + 2, rows)
                for pixel in range(o_width):
                    left, right = max(pixel * stride - 1, 0), min(pixel * stride + 2, width)
                    share = 1.0 / ((bottom - top) * (right - left))
                    for channel in range(0, channels, lanes):
                        x_at = x + image * size + channel
                        total = zeros(mem, lanes)
                        if maximum:
                            total = load(mem, x_at + (top * width + left) * channels, lanes)
                        for i in range(top, bottom):
                            for j in range(left, right):
                                value = load(mem, x_at + (i * width + j) * channels, lanes)
                                total = larger(total, value) if maximum else total + value
                        if not maximum:
                            total = total * splat(share, total)
                        store(mem, o + image * o_size + (row * o_width + pixel) * channels + channel, total)

    return kernel


def pool_gradient(lanes: int, maximum: bool) -> Function:
    """in_gradient += the pool's gradient; a maximum that occurs twice counts where it occurs first."""

    def kernel(mem, code, at, first, count):
        x, size, channels = code[at] + first * code[at + 1], code[at + 1], code[at + 2]
        o, o_size = code[at + 3] + first * code[at + 4], code[at + 4]
        rows, width, o_rows, o_width, stride = code[at + 5], code[at + 6], code[at + 7], code[at + 8], code[at + 9]
        g, to = code[at + 10], code[at + 11] + first * code[at + 1]
        nothing = zeros(mem, lanes)
        for image in range(count):
            for row in range(o_rows):
                top, bottom = max(row * stride - 1, 0), min(row * stride + 2, rows)
                for pixel in range(o_width):
                    left, right = max(pixel * stride - 1, 0), min(pixel * stride + 2, width)
                    share = 1.0 / ((bottom - top) * (right - left))
                    for channel in range(0, channels, lanes):
                        o_at = image * o_size + (row * o_width + pixel) * channels + channel
                        rest = load(mem, g + o_at, lanes)
                        largest = nothing
                        if maximum:
                            largest = load(mem, o + o_at, lanes)
                        else:
                            rest = rest * splat(share, rest)
                        for i in range(top, bottom):
                            for j in range(left, right):
                                from_ = image * size + (i * width + j) * channels + channel
                                part = rest
                                if maximum:
                                    value = load(mem, x + from_, lanes)
                                    part = where_equal(value, largest, rest, nothing)
                                    rest = where_equal(value, largest, nothing, rest)
                                store(mem, to + from_, load(mem, to + from_, lanes) + part)

    return kernel
