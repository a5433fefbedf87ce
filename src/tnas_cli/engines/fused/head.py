"""What follows the cells: global average pooling, the linear classifier, the loss; and the step of the parameters."""

from __future__ import annotations

import math

from tnas_cli.engines.fused.kernels import Function
from tnas_cli.engines.fused.vectors import fma, load, splat, store, zeros


def average(lanes: int) -> Function:
    """Mean over an image's pixels, into the image's row of features."""

    def kernel(mem, code, at, first, count):
        x, channels, pixels = code[at] + first * code[at + 1], code[at + 2], code[at + 3]
        o, o_step = code[at + 4] + first * code[at + 5], code[at + 5]
        share = 1.0 / pixels
        for image in range(count):
            for channel in range(0, channels, lanes):
                total = zeros(mem, lanes)
                for i in range(channel, pixels * channels, channels):
                    total = total + load(mem, x + image * pixels * channels + i, lanes)
                store(mem, o + image * o_step + channel, total * splat(share, total))

    return kernel


def average_gradient(lanes: int) -> Function:
    """Every pixel gets its share of the gradient of its image's features."""

    def kernel(mem, code, at, first, count):
        x, channels, pixels = code[at] + first * code[at + 1], code[at + 2], code[at + 3]
        o, o_step = code[at + 4] + first * code[at + 5], code[at + 5]
        share = 1.0 / pixels
        for image in range(count):
            for channel in range(0, channels, lanes):
                value = load(mem, o + image * o_step + channel, lanes)
                value = value * splat(share, value)
                for i in range(channel, pixels * channels, channels):
                    store(mem, x + image * pixels * channels + i, value)

    return kernel


def classifier() -> Function:
    """logits[image, c] = features[image] . weight[c] + bias[c]."""

    def kernel(mem, code, at, first, count):
        x, length, weight, bias = code[at], code[at + 1], code[at + 2], code[at + 3]
        logits, way, images = code[at + 4], code[at + 5], code[at + 6]
        for image in range(images):
            for c in range(way):
                total = mem[bias + c]
                for i in range(length):
                    total += mem[x + image * length + i] * mem[weight + c * length + i]
                mem[logits + image * way + c] = total

    return kernel


def cross_entropy() -> Function:
    """Mean cross-entropy of the logits, and its gradient."""

    def kernel(mem, code, at, first, count):
        logits, labels, gradient, loss = code[at], code[at + 1], code[at + 2], code[at + 3]
        way, images = code[at + 4], code[at + 5]
        total = 0.0
        for image in range(images):
            row, label = image * way, int(mem[labels + image])
            largest = mem[logits + row]
            for c in range(1, way):
                largest = max(largest, mem[logits + row + c])
            normaliser = 0.0
            for c in range(way):
                normaliser += math.exp(float(mem[logits + row + c] - largest))
            total += math.log(normaliser) - (mem[logits + row + label] - largest)
            for c in range(way):
                probability = math.exp(float(mem[logits + row + c] - largest)) / normaliser
                mem[gradient + row + c] = (probability - (1.0 if c == label else 0.0)) / images
        mem[loss] = total / images

    return kernel


def classifier_gradient() -> Function:
    """From the gradient of the logits: that of weight and bias (added) and of the features."""

    def kernel(mem, code, at, first, count):
        x, length, weight, weight_gradient = code[at], code[at + 1], code[at + 2], code[at + 3]
        bias_gradient, gradient, way, images = code[at + 4], code[at + 5], code[at + 6], code[at + 7]
        x_gradient = code[at + 8]
        for image in range(images):
            from_, to = x + image * length, x_gradient + image * length
            for i in range(length):
                mem[to + i] = 0.0
            for c in range(way):
                value = mem[gradient + image * way + c]
                mem[bias_gradient + c] += value
                for i in range(length):
                    mem[weight_gradient + c * length + i] += value * mem[from_ + i]
                    mem[to + i] += value * mem[weight + c * length + i]

    return kernel


def softmax() -> Function:
    """Each row of theta becomes probabilities."""

    def kernel(mem, code, at, first, count):
        theta, out, rows, columns = code[at], code[at + 1], code[at + 2], code[at + 3]
        for row in range(0, rows * columns, columns):
            largest = mem[theta + row]
            for i in range(1, columns):
                largest = max(largest, mem[theta + row + i])
            total = 0.0
            for i in range(columns):
                total += math.exp(float(mem[theta + row + i] - largest))
            for i in range(columns):
                mem[out + row + i] = math.exp(float(mem[theta + row + i] - largest)) / total

    return kernel


def softmax_gradient() -> Function:
    """theta_gradient += p * (g - sum of p * g) in each row."""

    def kernel(mem, code, at, first, count):
        p, g, theta_gradient, rows, columns = code[at], code[at + 1], code[at + 2], code[at + 3], code[at + 4]
        for row in range(0, rows * columns, columns):
            along = 0.0
            for i in range(columns):
                along += mem[p + row + i] * mem[g + row + i]
            for i in range(columns):
                mem[theta_gradient + row + i] += mem[p + row + i] * (mem[g + row + i] - along)

    return kernel


def add_shares(lanes: int) -> Function:
    """out += sum of `shares` arrays, in the order of a table, which lists where they begin; they become 0."""

    def kernel(mem, code, at, first, count):
        out, size, shares = code[at], code[at + 1], code[at + 2]
        nothing = zeros(mem, lanes)
        for i in range(0, size, lanes):
            total = load(mem, out + i, lanes)
            for share in range(shares):
                total = total + load(mem, code[at + 3 + share] + i, lanes)
                store(mem, code[at + 3 + share] + i, nothing)
            store(mem, out + i, total)

    return kernel


def descend(lanes: int) -> Function:
    """A plain gradient step (Equation 7): parameter -= mem[rate] * gradient; the gradient becomes 0."""

    def kernel(mem, code, at, first, count):
        parameters, gradients, size = code[at], code[at + 1], code[at + 2]
        nothing = zeros(mem, lanes)
        rate = splat(-mem[code[at + 3]], nothing)
        for i in range(0, size, lanes):
            value = fma(load(mem, gradients + i, lanes), rate, load(mem, parameters + i, lanes))
            store(mem, parameters + i, value)
            store(mem, gradients + i, nothing)

    return kernel
