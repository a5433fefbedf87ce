"""Random genotypes are uniform over sources and operations, and follow their generator."""

from __future__ import annotations

from collections import Counter

from tests.helpers import OPERATIONS
from tnas_cli.runs.seeds import numpy_generator
from tnas_cli.spaces.random_genotype import random_genotype

DRAWN = [random_genotype(numpy_generator(0, "genotypes", index)) for index in range(400)]


def test_the_same_generator_draws_the_same() -> None:
    assert random_genotype(numpy_generator(0, "genotypes", 3)) == DRAWN[3]
    assert len(set(DRAWN)) == len(DRAWN)


def test_a_nodes_sources_differ_and_are_uniform() -> None:
    pairs = Counter(tuple(source for _, source in genotype.normal[6:8]) for genotype in DRAWN)
    assert len(pairs) == 10  # of five states
    assert min(pairs.values()) > 20 and max(pairs.values()) < 65


def test_operations_are_uniform_without_none() -> None:
    counts = Counter(operation for genotype in DRAWN for operation, _ in genotype.reduce)
    assert set(counts) == set(OPERATIONS[1:])
    assert min(counts.values()) > 380 and max(counts.values()) < 535  # 457 expected


def test_another_number_of_nodes() -> None:
    assert random_genotype(numpy_generator(0, "genotypes"), nodes=2).nodes == 2
