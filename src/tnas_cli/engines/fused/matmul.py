"""Small matrix products over pixels: pointwise and 3 x 3 convolutions forward, their gradients, and transposition.

A 3 x 3 convolution is nine products with shifted images: `segments` lists where each shifted image begins.
Every kernel works on the images `first` ... `first + count - 1` of a batch; see `kernels.py` for the arguments.
"""

from __future__ import annotations

from tnas_cli.engines.fused.kernels import Function
from tnas_cli.engines.fused.vectors import broadcast, fma, get, load, put, registers, store, zeros

#: Pixels that are read again and again by gradients of weights, before the next ones.
PIECE = 128


def matmul(lanes: int, vectors: int, tile: int) -> Function:
    """out[pixel, n] = sum over segments s and k of a[segment[s] + pixel, k] * b[s * K + k, n].

    `tile` pixels times `vectors` * `lanes` columns stay in registers. With `flat`, all images are one row.
    """
    columns, held = lanes * vectors, tile * vectors

    def kernel(mem, code, at, first, count):
        a, a_image, a_row, a_pixel = code[at] + first * code[at + 1], code[at + 2], code[at + 3], code[at + 4]
        o, o_image, o_row, o_pixel = code[at + 5] + first * code[at + 6], code[at + 7], code[at + 8], code[at + 9]
        b, depth, width_n = code[at + 10], code[at + 11], code[at + 12]
        rows, width, flat, segments = code[at + 13], code[at + 14], code[at + 15], code[at + 16]
        images = count
        if flat:
            images, rows, width = 1, 1, width * count
        for image in range(images):
            for row in range(rows):
                a_at = a + image * a_image + row * a_row
                o_at = o + image * o_image + row * o_row
                for column in range(0, width_n, columns):
                    pixel = 0
                    while pixel < width:
                        if width >= tile:
                            # The last tile overlaps the one before it: the same values are written twice.
                            pixel = min(pixel, width - tile)
                            sums = registers(mem, held, lanes)
                            for i in range(held):
                                put(sums, i, zeros(mem, lanes))
                            b_at = b + column
                            for s in range(segments):
                                from_ = a_at + code[at + 17 + s] + pixel * a_pixel
                                for k in range(depth):
                                    right = registers(mem, vectors, lanes)
                                    for j in range(vectors):
                                        put(right, j, load(mem, b_at + j * lanes, lanes))
                                    for i in range(tile):
                                        left = broadcast(mem, from_ + i * a_pixel + k, lanes)
                                        for j in range(vectors):
                                            t = i * vectors + j
                                            put(sums, t, fma(left, get(right, j), get(sums, t)))
                                    b_at += width_n
                            for i in range(tile):
                                for j in range(vectors):
                                    to = o_at + (pixel + i) * o_pixel + column + j * lanes
                                    store(mem, to, get(sums, i * vectors + j))
                            pixel += tile
                        else:
                            for j in range(vectors):
                                total = zeros(mem, lanes)
                                b_at = b + column + j * lanes
                                for s in range(segments):
                                    from_ = a_at + code[at + 17 + s] + pixel * a_pixel
                                    for k in range(depth):
                                        left = broadcast(mem, from_ + k, lanes)
                                        total = fma(left, load(mem, b_at, lanes), total)
                                        b_at += width_n
                                store(mem, o_at + pixel * o_pixel + column + j * lanes, total)
                            pixel += 1

    return kernel


def matmul_weights(lanes: int, vectors: int, tile: int) -> Function:
    """The gradient of b: w[s * K + k, n] += sum over pixels of a[segment[s] + pixel, k] * g[pixel, n].

    `tile` rows k times `vectors` * `lanes` columns stay in registers; K is a multiple of `tile`. About PIECE pixels are
    used for all of w before the next ones, so that they stay in the nearest cache.
    """
    columns, held = lanes * vectors, tile * vectors

    def kernel(mem, code, at, first, count):
        a, a_image, a_row, a_pixel = code[at] + first * code[at + 1], code[at + 2], code[at + 3], code[at + 4]
        g, g_image, g_row, g_pixel = code[at + 5] + first * code[at + 6], code[at + 7], code[at + 8], code[at + 9]
        w, depth, width_n = code[at + 10], code[at + 11], code[at + 12]
        rows, width, flat, segments = code[at + 13], code[at + 14], code[at + 15], code[at + 16]
        images, last = count, width
        if flat:
            pixels = width * count
            images, width, rows = 1, PIECE, -(-pixels // PIECE)
            last = pixels - (rows - 1) * PIECE
            a_row, g_row = PIECE * a_pixel, PIECE * g_pixel
        at_once = max(1, PIECE // width)
        for image in range(images):
            for begin in range(0, rows, at_once):
                end = min(begin + at_once, rows)
                for s in range(segments):
                    for k in range(0, depth, tile):
                        for column in range(0, width_n, columns):
                            w_at = w + (s * depth + k) * width_n + column
                            sums = registers(mem, held, lanes)
                            for i in range(tile):
                                for j in range(vectors):
                                    put(sums, i * vectors + j, load(mem, w_at + i * width_n + j * lanes, lanes))
                            for row in range(begin, end):
                                a_at = a + image * a_image + row * a_row + code[at + 17 + s] + k
                                g_at = g + image * g_image + row * g_row + column
                                for _ in range(width if row < rows - 1 else last):
                                    right = registers(mem, vectors, lanes)
                                    for j in range(vectors):
                                        put(right, j, load(mem, g_at + j * lanes, lanes))
                                    for i in range(tile):
                                        left = broadcast(mem, a_at + i, lanes)
                                        for j in range(vectors):
                                            t = i * vectors + j
                                            put(sums, t, fma(left, get(right, j), get(sums, t)))
                                    a_at += a_pixel
                                    g_at += g_pixel
                            for i in range(tile):
                                for j in range(vectors):
                                    store(mem, w_at + i * width_n + j * lanes, get(sums, i * vectors + j))

    return kernel


def transpose() -> Function:
    """out[s, n, k] = b[order[s], k, n] for matrices [K, N], N and K as they are; `order` lists the segments."""

    def kernel(mem, code, at, first, count):
        b, out, depth, width, segments = code[at], code[at + 1], code[at + 2], code[at + 3], code[at + 4]
        for s in range(segments):
            from_ = b + code[at + 5 + s] * depth * width
            to = out + s * depth * width
            for n in range(width):
                for k in range(depth):
                    mem[to + n * depth + k] = mem[from_ + k * width + n]

    return kernel
