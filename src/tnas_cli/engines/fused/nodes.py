"""A node is one weighted sum over the raw outputs of its branches; its gradient is read once for all of them."""

from __future__ import annotations

from tnas_cli.engines.fused.kernels import Function
from tnas_cli.engines.fused.norms import DOT, OF_GRADIENT, REFERENCE, SCALE, SHIFT, TOTAL
from tnas_cli.engines.fused.vectors import fma, get, load, put, registers, store, where_greater, zeros


def weighted_sum(lanes: int, tile: int) -> Function:
    """out = sum over branches of SCALE * value + SHIFT (Equation 3 with batch norm); tables of values and norms."""

    def kernel(mem, code, at, first, count):
        o, o_step, channels, pixels = code[at] + first * code[at + 1], code[at + 1], code[at + 2], code[at + 3]
        branches = code[at + 4]
        table, size = at + 5, count * pixels
        for channel in range(0, channels, lanes):
            shift = zeros(mem, lanes)
            for b in range(branches):
                shift = shift + load(mem, code[table + 2 * b + 1] + SHIFT * channels + channel, lanes)
            pixel = 0
            while pixel + tile <= size:
                sums = registers(mem, tile, lanes)
                for i in range(tile):
                    put(sums, i, shift)
                for b in range(branches):
                    scale = load(mem, code[table + 2 * b + 1] + SCALE * channels + channel, lanes)
                    from_ = code[table + 2 * b] + first * o_step + pixel * channels + channel
                    for i in range(tile):
                        put(sums, i, fma(load(mem, from_ + i * channels, lanes), scale, get(sums, i)))
                for i in range(tile):
                    store(mem, o + (pixel + i) * channels + channel, get(sums, i))
                pixel += tile
            while pixel < size:
                total = shift
                for b in range(branches):
                    scale = load(mem, code[table + 2 * b + 1] + SCALE * channels + channel, lanes)
                    from_ = code[table + 2 * b] + first * o_step + pixel * channels + channel
                    total = fma(load(mem, from_, lanes), scale, total)
                store(mem, o + pixel * channels + channel, total)
                pixel += 1

    return kernel


def dot_products(lanes: int) -> Function:
    """For each branch DOT = sum of g * (value - REFERENCE), and TOTAL = sum of g for the first branch.

    A table lists values, norms, and the records for the sums, which the images from `begin` on start.
    """

    def kernel(mem, code, at, first, count):
        g, step, channels, pixels = code[at] + first * code[at + 1], code[at + 1], code[at + 2], code[at + 3]
        begin, branches = code[at + 4], code[at + 5]
        table, size = at + 6, count * pixels * channels
        nothing = zeros(mem, lanes)
        for channel in range(0, channels, lanes):
            total_at = code[table + 2] + TOTAL * channels + channel
            total = nothing
            for i in range(channel, size, channels):
                total = total + load(mem, g + i, lanes)
            if first > begin:
                total = total + load(mem, total_at, lanes)
            store(mem, total_at, total)
            for b in range(branches):
                x, norm, sums = code[table + 3 * b] + first * step, code[table + 3 * b + 1], code[table + 3 * b + 2]
                reference = load(mem, norm + REFERENCE * channels + channel, lanes)
                dot_0 = dot_1 = dot_2 = dot_3 = nothing
                i, last = channel, size - 3 * channels
                while i < last:
                    dot_0 = fma(load(mem, g + i, lanes), load(mem, x + i, lanes) - reference, dot_0)
                    j = i + channels
                    dot_1 = fma(load(mem, g + j, lanes), load(mem, x + j, lanes) - reference, dot_1)
                    j += channels
                    dot_2 = fma(load(mem, g + j, lanes), load(mem, x + j, lanes) - reference, dot_2)
                    j += channels
                    dot_3 = fma(load(mem, g + j, lanes), load(mem, x + j, lanes) - reference, dot_3)
                    i += 4 * channels
                while i < size:
                    dot_0 = fma(load(mem, g + i, lanes), load(mem, x + i, lanes) - reference, dot_0)
                    i += channels
                dot_0 = (dot_0 + dot_1) + (dot_2 + dot_3)
                dot_at = sums + DOT * channels + channel
                if first > begin:
                    dot_0 = dot_0 + load(mem, dot_at, lanes)
                store(mem, dot_at, dot_0)

    return kernel


def state_gradient(lanes: int) -> Function:
    """g = (through where the state is positive, else 0) + sum over identity branches of OF_GRADIENT * their node's g.

    `through` is the gradient of the rectified state; a table lists the nodes' gradients and the branches' norms; `add`
    adds to the existing values.
    """

    def kernel(mem, code, at, first, count):
        o, step, channels, pixels = code[at] + first * code[at + 1], code[at + 1], code[at + 2], code[at + 3]
        state, through, through_pixel = code[at + 4] + first * step, code[at + 5], code[at + 6]
        add, branches = code[at + 7], code[at + 8]
        table, size = at + 9, count * pixels
        nothing = zeros(mem, lanes)
        for channel in range(0, channels, lanes):
            for pixel in range(size):
                i = pixel * channels + channel
                value = load(mem, through + pixel * through_pixel + channel, lanes)
                total = where_greater(load(mem, state + i, lanes), nothing, value, nothing)
                if add:
                    total = total + load(mem, o + i, lanes)
                for b in range(branches):
                    factor = load(mem, code[table + 2 * b + 1] + OF_GRADIENT * channels + channel, lanes)
                    total = fma(load(mem, code[table + 2 * b] + first * step + i, lanes), factor, total)
                store(mem, o + i, total)

    return kernel
