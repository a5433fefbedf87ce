"""Random numbers depend only on (seed, purpose, index)."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch

from tnas_cli.runs.seeds import entropy, numpy_generator, torch_generator


def test_known_values_on_every_machine() -> None:
    """Pinned: a change would silently change every recorded experiment."""
    expected = int.from_bytes(hashlib.blake2b(b"7/tasks/3", digest_size=8).digest(), "little")
    assert entropy(7, "tasks", 3) == expected
    assert numpy_generator(0, "tasks").integers(0, 1000, 4).tolist() == [550, 956, 996, 680]
    assert torch.randint(0, 1000, (4,), generator=torch_generator(0, "tasks")).tolist() == [165, 199, 813, 455]


def test_seed_purpose_and_index_all_count() -> None:
    keys = [(s, p, i) for s in range(8) for p in ("train", "val", "1", "1/2") for i in range(8)]
    assert len({entropy(*key) for key in keys}) == len(keys)


def test_a_seed_is_not_mistaken_for_an_index() -> None:
    assert entropy(1, "tasks", 12) != entropy(11, "tasks", 2)
    assert entropy(12, "tasks", 1) != entropy(1, "tasks", 21)


def test_generators_ignore_and_keep_the_global_state() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = torch.randn(3, generator=torch_generator(1, "theta"))
    torch.randn(100)
    np.random.default_rng().random(10)
    assert torch.equal(first, torch.randn(3, generator=torch_generator(1, "theta")))
    torch.set_rng_state(before)
    torch_generator(1, "theta")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_another_process_draws_the_same(hash_seed: str) -> None:
    code = "from tnas_cli.runs.seeds import entropy; print(entropy(3, 'weights', 4))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)},
    )
    assert int(done.stdout) == entropy(3, "weights", 4)
