"""Depthwise convolutions of padded images: forward, the gradient of the image, and the gradient of the taps.

A kernel computes tiles of `tall` rows by `tile` pixels, which stay in registers; both divide the size it is called for.
The number of channels is a constant, because the distances between taps are then part of the instructions.
Padded images share their padding: the right margin of a row is the left margin of the next, the rows below an image are
those above the next. With stride 2 the columns of a padded row are split, the even ones first, then the odd ones,
`half` pixels later, so that neighbouring outputs read neighbouring pixels.
"""

from __future__ import annotations

from tnas_cli.engines.fused.kernels import Function
from tnas_cli.engines.fused.matmul import PIECE
from tnas_cli.engines.fused.vectors import fma, get, load, put, registers, store, zeros


def depthwise(lanes: int, channels: int, kernel_size: int, dilation: int, tall: int, tile: int, add: bool) -> Function:
    """out[y, x] = sum over taps (i, j) of tap[i, j] * in[y + i * dilation, x + j * dilation], each channel its own.

    `in` begins at the first pixel that the first output reads. The image's gradient is the same sum over the padded
    gradient with the taps in reverse order (`tap_step` negative); `add` adds to out.
    """
    held = tall * tile

    def kernel(mem, code, at, first, count):
        x, x_image, x_row = code[at] + first * code[at + 1], code[at + 2], code[at + 3]
        o, o_image, o_row = code[at + 4] + first * code[at + 5], code[at + 6], code[at + 7]
        taps, tap_step, rows, width = code[at + 8], code[at + 9], code[at + 10], code[at + 11]
        for image in range(count):
            for row in range(0, rows, tall):
                for channel in range(0, channels, lanes):
                    x_at = x + image * x_image + row * x_row + channel
                    o_at = o + image * o_image + row * o_row + channel
                    for pixel in range(0, width, tile):
                        sums = registers(mem, held, lanes)
                        for y in range(tall):
                            for i in range(tile):
                                if add:
                                    at_ = o_at + y * o_row + (pixel + i) * channels
                                    put(sums, y * tile + i, load(mem, at_, lanes))
                                else:
                                    put(sums, y * tile + i, zeros(mem, lanes))
                        for ky in range(kernel_size):
                            for kx in range(kernel_size):
                                tap = load(mem, taps + (ky * kernel_size + kx) * tap_step + channel, lanes)
                                for y in range(tall):
                                    from_ = x_at + (ky * dilation + y) * x_row + (pixel + kx * dilation) * channels
                                    for i in range(tile):
                                        t = y * tile + i
                                        put(sums, t, fma(load(mem, from_ + i * channels, lanes), tap, get(sums, t)))
                        for y in range(tall):
                            for i in range(tile):
                                store(mem, o_at + y * o_row + (pixel + i) * channels, get(sums, y * tile + i))

    return kernel


def depthwise_taps(
    lanes: int, channels: int, kernel_size: int, dilation: int, tile: int, sums_per_tap: int
) -> Function:
    """tap[i, j] += sum over pixels of in[y + i * dilation, x + j * dilation] * g[y, x].

    One row of taps at a time for 5 x 5, all for 3 x 3. The pixels take turns to add to one of `sums_per_tap` sums of
    each tap, so that a multiply-add need not wait for the one before it. About PIECE pixels are used for all taps
    before the next ones, so that they stay in the nearest cache.
    """
    at_once = kernel_size if kernel_size == 3 else 1
    held = at_once * kernel_size
    every = sums_per_tap * held

    def kernel(mem, code, at, first, count):
        x, x_image, x_row = code[at] + first * code[at + 1], code[at + 2], code[at + 3]
        g, g_image, g_row = code[at + 4] + first * code[at + 5], code[at + 6], code[at + 7]
        taps, rows, width = code[at + 8], code[at + 9], code[at + 10]
        images_at_once, rows_at_once = max(1, PIECE // (rows * width)), max(1, PIECE // width)
        for first_image in range(0, count, images_at_once):
            for first_row in range(0, rows, rows_at_once):
                for channel in range(0, channels, lanes):
                    for ky in range(0, kernel_size, at_once):
                        w_at = taps + ky * kernel_size * channels + channel
                        sums = registers(mem, every, lanes)
                        for t in range(held):
                            put(sums, t, load(mem, w_at + t * channels, lanes))
                        for t in range(held, every):
                            put(sums, t, zeros(mem, lanes))
                        for image in range(first_image, min(first_image + images_at_once, count)):
                            for row in range(first_row, min(first_row + rows_at_once, rows)):
                                x_at = x + image * x_image + (row + ky * dilation) * x_row + channel
                                g_at = g + image * g_image + row * g_row + channel
                                for pixel in range(0, width, tile):
                                    for i in range(tile):
                                        right = load(mem, g_at + (pixel + i) * channels, lanes)
                                        for k in range(at_once):
                                            from_ = x_at + k * dilation * x_row + (pixel + i) * channels
                                            for kx in range(kernel_size):
                                                t = i % sums_per_tap * held + k * kernel_size + kx
                                                left = load(mem, from_ + kx * dilation * channels, lanes)
                                                put(sums, t, fma(left, right, get(sums, t)))
                        for t in range(held):
                            total = get(sums, t)
                            for s in range(1, sums_per_tap):
                                total = total + get(sums, s * held + t)
                            store(mem, w_at + t * channels, total)

    return kernel


#: Left margin of a row whose columns are split; a 3 x 3 kernel begins one pixel further right than a 5 x 5 one.
SPLIT_MARGIN = 2


def depthwise_halving(lanes: int, channels: int, kernel_size: int, tall: int, tile: int) -> Function:
    """Stride 2: out[y, x] = sum over taps of tap[i, j] * in[2 y + i, 2 x + j], `in` with split columns.

    `in` begins at the first row that the first output reads, and at its padded column 0.
    """
    skip = SPLIT_MARGIN - kernel_size // 2
    held = tall * tile

    def kernel(mem, code, at, first, count):
        x, x_image, x_row = code[at] + first * code[at + 1], code[at + 2], code[at + 3]
        o, o_image, o_row = code[at + 4] + first * code[at + 5], code[at + 6], code[at + 7]
        taps, rows, width, half = code[at + 8], code[at + 9], code[at + 10], code[at + 11]
        for image in range(count):
            for row in range(0, rows, tall):
                for channel in range(0, channels, lanes):
                    x_at = x + image * x_image + 2 * row * x_row + channel
                    o_at = o + image * o_image + row * o_row + channel
                    for pixel in range(0, width, tile):
                        sums = registers(mem, held, lanes)
                        for i in range(held):
                            put(sums, i, zeros(mem, lanes))
                        for ky in range(kernel_size):
                            for kx in range(kernel_size):
                                tap = load(mem, taps + (ky * kernel_size + kx) * channels + channel, lanes)
                                place = (kx + skip) % 2 * half + (kx + skip) // 2 + pixel
                                for y in range(tall):
                                    from_ = x_at + (ky + 2 * y) * x_row + place * channels
                                    for i in range(tile):
                                        t = y * tile + i
                                        put(sums, t, fma(load(mem, from_ + i * channels, lanes), tap, get(sums, t)))
                        for y in range(tall):
                            for i in range(tile):
                                store(mem, o_at + y * o_row + (pixel + i) * channels, get(sums, y * tile + i))

    return kernel


def depthwise_halving_taps(lanes: int, channels: int, kernel_size: int, tile: int) -> Function:
    """The gradient of the taps of `depthwise_halving`."""
    skip = SPLIT_MARGIN - kernel_size // 2
    at_once = kernel_size if kernel_size == 3 else 1
    held, span = at_once * kernel_size, tile + kernel_size // 2

    def kernel(mem, code, at, first, count):
        x, x_image, x_row = code[at] + first * code[at + 1], code[at + 2], code[at + 3]
        g, g_image, g_row = code[at + 4] + first * code[at + 5], code[at + 6], code[at + 7]
        taps, rows, width, half = code[at + 8], code[at + 9], code[at + 10], code[at + 11]
        for channel in range(0, channels, lanes):
            for ky in range(0, kernel_size, at_once):
                w_at = taps + ky * kernel_size * channels + channel
                sums = registers(mem, held, lanes)
                for t in range(held):
                    put(sums, t, load(mem, w_at + t * channels, lanes))
                for image in range(count):
                    for row in range(rows):
                        x_at = x + image * x_image + (2 * row + ky) * x_row + channel
                        g_at = g + image * g_image + row * g_row + channel
                        for pixel in range(0, width, tile):
                            for k in range(at_once):
                                for parity in range(2):
                                    line = registers(mem, span, lanes)
                                    from_ = x_at + k * x_row + (parity * half + pixel) * channels
                                    for i in range(span):
                                        put(line, i, load(mem, from_ + i * channels, lanes))
                                    for i in range(tile):
                                        right = load(mem, g_at + (pixel + i) * channels, lanes)
                                        for kx in range(kernel_size):
                                            if (kx + skip) % 2 == parity:
                                                t, left = k * kernel_size + kx, get(line, i + (kx + skip) // 2)
                                                put(sums, t, fma(left, right, get(sums, t)))
                for t in range(held):
                    store(mem, w_at + t * channels, get(sums, t))

    return kernel


def depthwise_halving_image(lanes: int, channels: int, kernel_size: int, tile: int) -> Function:
    """The gradient of the image of `depthwise_halving`, with split columns as its input; `g` is padded.

    Input row r gets from output rows (r - i) / 2 for the taps i of its parity; columns likewise. `g` and `out` begin at
    their first true row; around g are zeros, a row above and below, two columns left, and right up to column `half`,
    which is a multiple of `tile`. The gradient is added to the existing values.
    """
    skip, above = SPLIT_MARGIN - kernel_size // 2, kernel_size // 2

    def kernel(mem, code, at, first, count):
        g, g_image, g_row = code[at] + first * code[at + 1], code[at + 2], code[at + 3]
        o, o_image, o_row = code[at + 4] + first * code[at + 5], code[at + 6], code[at + 7]
        taps, rows, half = code[at + 8], code[at + 9], code[at + 10]
        for image in range(count):
            for row in range(rows):
                for channel in range(0, channels, lanes):
                    for parity in range(2):
                        o_at = o + image * o_image + row * o_row + parity * half * channels + channel
                        for pixel in range(0, half, tile):
                            sums = registers(mem, tile, lanes)
                            for i in range(tile):
                                put(sums, i, load(mem, o_at + (pixel + i) * channels, lanes))
                            for ky in range(kernel_size):
                                if (row + above - ky) % 2 == 0:
                                    g_at = g + image * g_image + ((row + above - ky) >> 1) * g_row + channel
                                    for kx in range(kernel_size):
                                        if (kx + skip) % 2 == parity:
                                            tap = load(mem, taps + (ky * kernel_size + kx) * channels + channel, lanes)
                                            from_ = g_at + (pixel - (kx + skip) // 2) * channels
                                            for i in range(tile):
                                                right = load(mem, from_ + i * channels, lanes)
                                                put(sums, i, fma(right, tap, get(sums, i)))
                            for i in range(tile):
                                store(mem, o_at + (pixel + i) * channels, get(sums, i))

    return kernel
