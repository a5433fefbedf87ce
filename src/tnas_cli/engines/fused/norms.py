"""Batch norm as sums, and as a scale and a shift per channel; the normalised values themselves are never stored.

A norm has a record of FIELDS x channels numbers. Sums are taken of values minus a reference (the first pixel's), so
that a mean much larger than the deviation costs no digits. `coefficients` kernels turn sums into scales once a batch.
"""

from __future__ import annotations

import math

from tnas_cli.engines.fused.kernels import Function
from tnas_cli.engines.fused.vectors import fma, load, store, where_greater, zeros

#: Fields of a norm's record: reference, sums of values and squares; mean, 1 / deviation, scale and shift of the forward
#: pass; sums of gradient times value and of the gradient; factors of the gradient, of the value, and constant.
REFERENCE, SUM, SQUARES, MEAN, RSTD, SCALE, SHIFT, DOT, TOTAL, OF_GRADIENT, OF_VALUE, CONSTANT, FIELDS = range(13)

EPSILON = 1e-5


def statistics(lanes: int) -> Function:
    """Sums and sums of squares of the pixels at hand, added to the norm's; the images from `begin` on start them.

    Images from number `measured` on do not count.
    """

    def kernel(mem, code, at, first, count):
        x, channels, pixels, norm = code[at] + first * code[at + 1], code[at + 2], code[at + 3], code[at + 4]
        measured, begin = code[at + 5], code[at + 6]
        if first >= measured and first > begin:
            return
        count = max(0, min(count, measured - first))
        for channel in range(0, channels, lanes):
            reference_at = norm + REFERENCE * channels + channel
            sum_at, squares_at = norm + SUM * channels + channel, norm + SQUARES * channels + channel
            if first == begin:
                store(mem, reference_at, load(mem, x + channel, lanes))
                store(mem, sum_at, zeros(mem, lanes))
                store(mem, squares_at, zeros(mem, lanes))
            reference = load(mem, reference_at, lanes)
            sum_0 = sum_1 = squares_0 = squares_1 = zeros(mem, lanes)
            end, from_ = x + count * pixels * channels, x + channel
            while from_ + channels < end:
                value_0 = load(mem, from_, lanes) - reference
                value_1 = load(mem, from_ + channels, lanes) - reference
                sum_0 = sum_0 + value_0
                sum_1 = sum_1 + value_1
                squares_0 = fma(value_0, value_0, squares_0)
                squares_1 = fma(value_1, value_1, squares_1)
                from_ += 2 * channels
            if from_ < end:
                value_0 = load(mem, from_, lanes) - reference
                sum_0 = sum_0 + value_0
                squares_0 = fma(value_0, value_0, squares_0)
            store(mem, sum_at, load(mem, sum_at, lanes) + (sum_0 + sum_1))
            store(mem, squares_at, load(mem, squares_at, lanes) + (squares_0 + squares_1))

    return kernel


def coefficients(weighted: bool, affine: bool) -> Function:
    """Scale and shift of a norm from its sums over `pixels` values per channel.

    The scale is 1 / deviation, times mem[weight] (a mixture's share) if `weighted`, or times the channel's gain, plus
    its bias, if `affine`. A table lists the sums of each share of the images, and how many values they are of; their
    total is kept in the record `source`.
    """

    def kernel(mem, code, at, first, count):
        norm, channels, pixels, source = code[at], code[at + 1], code[at + 2], code[at + 3]
        weight, bias, shares = code[at + 4], code[at + 5], code[at + 6]
        for c in range(channels):
            sums = code[at + 7]
            reference = mem[sums + REFERENCE * channels + c]
            total, squares = mem[sums + SUM * channels + c], mem[sums + SQUARES * channels + c]
            for share in range(1, shares):
                sums, values = code[at + 7 + 2 * share], code[at + 8 + 2 * share]
                # Distances to another reference, which is further by so much.
                further = mem[sums + REFERENCE * channels + c] - reference
                here = mem[sums + SUM * channels + c]
                total += here + values * further
                squares += mem[sums + SQUARES * channels + c] + further * (2 * here + values * further)
            mem[source + REFERENCE * channels + c] = reference
            mem[source + SUM * channels + c] = total
            mem[source + SQUARES * channels + c] = squares
            offset = total / pixels
            variance = max(squares / pixels - offset * offset, 0.0)
            mean, rstd = reference + offset, 1 / math.sqrt(variance + EPSILON)
            scale = rstd
            if weighted:
                scale = rstd * mem[weight]
            if affine:
                scale = rstd * mem[weight + c]
            shift = -mean * scale
            if affine:
                shift += mem[bias + c]
            mem[norm + REFERENCE * channels + c] = reference
            mem[norm + MEAN * channels + c] = mean
            mem[norm + RSTD * channels + c] = rstd
            mem[norm + SCALE * channels + c] = scale
            mem[norm + SHIFT * channels + c] = shift

    return kernel


def coefficients_gradient(weighted: bool, affine: bool) -> Function:
    """From the sums of the gradient: the gradient of the weight or of gain and bias (added), and the factors with
    which `value_gradient` turns the gradient of the normalised values into that of the values themselves.

    A table lists each share's record with DOT, and where its sums of the gradient lie.
    """

    def kernel(mem, code, at, first, count):
        norm, channels, pixels = code[at], code[at + 1], code[at + 2]
        weight, weight_gradient, bias_gradient, shares = code[at + 3], code[at + 4], code[at + 5], code[at + 6]
        whole = 0.0
        for c in range(channels):
            mean, rstd = mem[norm + MEAN * channels + c], mem[norm + RSTD * channels + c]
            dot, total = mem[code[at + 7] + DOT * channels + c], mem[code[at + 8] + c]
            for share in range(1, shares):
                dot += mem[code[at + 7 + 2 * share] + DOT * channels + c]
                total += mem[code[at + 8 + 2 * share] + c]
            # The sum of gradient times normalised value.
            along = rstd * (dot - (mean - mem[norm + REFERENCE * channels + c]) * total)
            factor = rstd
            if weighted:
                factor = rstd * mem[weight]
                whole += along
            if affine:
                factor = rstd * mem[weight + c]
                mem[weight_gradient + c] += along
                mem[bias_gradient + c] += total
            slope = factor * rstd * along / pixels
            mem[norm + OF_GRADIENT * channels + c] = factor
            mem[norm + OF_VALUE * channels + c] = -slope
            mem[norm + CONSTANT * channels + c] = slope * mean - factor * total / pixels
        if weighted:
            mem[weight_gradient] += whole

    return kernel


def constant_scale(weighted: bool) -> Function:
    """A branch without norm: scale mem[weight] or 1, shift 0, and the same factor for its gradient."""

    def kernel(mem, code, at, first, count):
        norm, channels, weight = code[at], code[at + 1], code[at + 2]
        for c in range(channels):
            for field in range(FIELDS):
                mem[norm + field * channels + c] = 0.0
            scale = mem[norm] + 1.0
            if weighted:
                scale = mem[weight]
            mem[norm + SCALE * channels + c] = scale
            mem[norm + OF_GRADIENT * channels + c] = scale

    return kernel


def weight_gradient() -> Function:
    """mem[out] += sum over channels of a branch's DOT in each share's record: the gradient of a weight on values that
    are not normalised."""

    def kernel(mem, code, at, first, count):
        channels, out, shares = code[at], code[at + 1], code[at + 2]
        for share in range(shares):
            sums = code[at + 3 + share]
            for c in range(channels):
                mem[out] += mem[sums + DOT * channels + c]

    return kernel


def value_gradient(lanes: int, add: bool) -> Function:
    """out = OF_GRADIENT * g + OF_VALUE * value + CONSTANT: batch norm's backward pass; `add` adds to out.

    Images from number `measured` on gave no moments: out = OF_GRADIENT * g.
    """

    def kernel(mem, code, at, first, count):
        g, x = code[at] + first * code[at + 1], code[at + 2] + first * code[at + 3]
        o, norm, channels, pixels = code[at + 4] + first * code[at + 5], code[at + 6], code[at + 7], code[at + 8]
        inside = max(0, min(count, code[at + 9] - first)) * pixels * channels
        for channel in range(0, channels, lanes):
            of_gradient = load(mem, norm + OF_GRADIENT * channels + channel, lanes)
            of_value = load(mem, norm + OF_VALUE * channels + channel, lanes)
            constant = load(mem, norm + CONSTANT * channels + channel, lanes)
            for i in range(channel, inside, channels):
                value = fma(load(mem, x + i, lanes), of_value, constant)
                value = fma(load(mem, g + i, lanes), of_gradient, value)
                if add:
                    value = value + load(mem, o + i, lanes)
                store(mem, o + i, value)
            for i in range(inside + channel, count * pixels * channels, channels):
                value = load(mem, g + i, lanes) * of_gradient
                if add:
                    value = value + load(mem, o + i, lanes)
                store(mem, o + i, value)

    return kernel


def rectified_gradient(lanes: int) -> Function:
    """g is set to 0 where scale * value + shift is not positive; its sums go to DOT and TOTAL of the record `sums`,
    which the images from `begin` on start. Where g is, is named twice, as in `halving_pool_sums`."""

    def kernel(mem, code, at, first, count):
        g, x = code[at] + first * code[at + 1], code[at + 2] + first * code[at + 3]
        norm, channels, pixels, sums, begin = code[at + 4], code[at + 5], code[at + 6], code[at + 7], code[at + 8]
        again = code[at + 9] + first * code[at + 1]
        nothing = zeros(mem, lanes)
        for channel in range(0, channels, lanes):
            dot_at, total_at = sums + DOT * channels + channel, sums + TOTAL * channels + channel
            dot = total = nothing
            if first > begin:
                dot, total = load(mem, dot_at, lanes), load(mem, total_at, lanes)
            reference = load(mem, norm + REFERENCE * channels + channel, lanes)
            scale = load(mem, norm + SCALE * channels + channel, lanes)
            shift = load(mem, norm + SHIFT * channels + channel, lanes)
            dot_here = total_here = nothing
            for i in range(channel, count * pixels * channels, channels):
                value = load(mem, x + i, lanes)
                kept = where_greater(fma(value, scale, shift), nothing, load(mem, g + i, lanes), nothing)
                store(mem, again + i, kept)
                total_here = total_here + kept
                dot_here = fma(kept, value - reference, dot_here)
            store(mem, dot_at, dot + dot_here)
            store(mem, total_at, total + total_here)

    return kernel
