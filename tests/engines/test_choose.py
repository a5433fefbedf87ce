"""Which engine is taken, and what happens when the fused one cannot be used."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers import AUTO_MAML_1SHOT
from tnas_cli.engines.choose import WORTH_COMPILING, WORTH_LOADING, choose_engine, fused_engine, why_not_fused
from tnas_cli.engines.fused.machine import kernel_folder
from tnas_cli.engines.fused_engine import at_hand
from tnas_cli.engines.interface import Network
from tnas_cli.errors import SettingsError, TnasError
from tnas_cli.runs import events
from tnas_cli.spaces import operations_table as table
from tnas_cli.spaces import registry
from tnas_cli.spaces.cell_space import CellSpace
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.forms import Separable
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.operations_table import Operation
from tnas_cli.spaces.search_network import SearchNetwork

CPU = torch.device("cpu")
NETWORK = SearchNetwork(3, 1, channels=8)


@pytest.mark.parametrize("network", [NETWORK, DecodedNetwork(AUTO_MAML_1SHOT, 3, 1, 16), FourConv(3, 1, 28, 64)])
def test_auto_is_fused_where_it_can_do_the_job(network: Network) -> None:
    assert why_not_fused(network, CPU) is None
    assert choose_engine("auto", network, CPU).name == "fused"


@pytest.mark.parametrize(
    ("network", "device", "second_order", "reason"),
    [
        (NETWORK, "cuda", False, "device is cuda"),
        (NETWORK, "cpu", True, "first-order"),
        (SearchNetwork(3, 1, channels=12), "cpu", False, "multiple of 8"),
        (FourConv(3, 1, 28, 20), "cpu", False, "multiple of 8"),
    ],
)
def test_auto_is_torch_where_fused_cannot(network: Network, device: str, second_order: bool, reason: str) -> None:
    where = torch.device(device)
    assert reason in (why_not_fused(network, where, second_order=second_order) or "")
    assert choose_engine("auto", network, where, second_order=second_order).name == "torch"
    with pytest.raises(SettingsError, match=reason):
        choose_engine("fused", network, where, second_order=second_order)


def space_with(*operations: Operation) -> CellSpace:
    return CellSpace("mine", "mine", (table.NONE, table.SKIP_CONNECT, *operations), nodes=2)


WIDE = Operation("wide", "wide", Separable(3, 4, 1), "dilated")
FAR = Operation("far", "far", Separable(5, 4, 1), "dilated")
THRICE = Operation("thrice", "thrice", Separable(3, 1, 3), "separable")


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (table.CONV_1X1, "it has no kernel for conv_1x1."),
        (table.CONV_7X1_1X7, "it has no kernel for conv_7x1_1x7."),
        (table.SEP_CONV_7X7, "it has no kernel for sep_conv_7x7 (taps of 7 x 7 pixels, 1 apart)."),
        (FAR, "it has no kernel for far (taps of 5 x 5 pixels, 4 apart)."),
        (WIDE, "it has no kernel for wide (taps 4 pixels apart)."),
        (THRICE, "it has no kernel for thrice (3 convolutions in a row, their taps 1 apart)."),
    ],
)
def test_an_operation_without_a_kernel_is_named_and_computed_by_torch(operation: Operation, reason: str) -> None:
    network = space_with(operation).search_network(3, 1, 8, 2)
    assert why_not_fused(network, CPU) == reason
    assert choose_engine("auto", network, CPU).name == "torch"
    with pytest.raises(SettingsError) as refused:
        choose_engine("fused", network, CPU)
    assert refused.value.message == f"--engine fused cannot be used: {reason}"
    assert refused.value.hint == "choose --engine torch"


def test_a_genotype_is_fused_where_its_own_operations_have_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever other operations its space has."""
    space = space_with(table.CONV_1X1)
    monkeypatch.setitem(registry.OWN, "mine", __name__)
    monkeypatch.setattr(sys.modules[__name__], "SPACE", space, raising=False)
    skips = ((table.SKIP_CONNECT.name, 0), (table.SKIP_CONNECT.name, 1))
    convolved = ((table.SKIP_CONNECT.name, 0), (table.CONV_1X1.name, 1))
    assert why_not_fused(space.decoded_network(Genotype(skips, skips, "mine"), 3, 1, 8), CPU) is None
    network = space.decoded_network(Genotype(skips, convolved, "mine"), 3, 1, 8)
    assert why_not_fused(network, CPU) == "it has no kernel for conv_1x1."


def test_every_space_of_tnas_has_kernels_for_all_its_operations() -> None:
    for name in registry.OWN:
        space = registry.space(name)
        genotype = space.random(np.random.default_rng(0), space.nodes)
        assert why_not_fused(space.decoded_network(genotype, 3, 1, 8), CPU) is None
        if name != "enas":  # whose shares no kernel computes
            assert why_not_fused(space.search_network(3, 1, 8, space.nodes), CPU) is None


def test_torch_can_be_asked_for() -> None:
    assert choose_engine("torch", NETWORK, CPU).name == "torch"


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(SettingsError, match="unknown engine 'fuse'") as caught:
        choose_engine("fuse", NETWORK, CPU)
    assert "did you mean 'fused'?" in caught.value.hint


def notes(heard: list[events.Event]) -> list[str]:
    return [event.text for event in heard if isinstance(event, events.Note)]


def falls_back(match: str) -> None:
    """'auto' takes PyTorch and says why in one line; 'fused' is refused for the same reason."""
    heard: list[events.Event] = []
    assert choose_engine("auto", NETWORK, CPU, side=20, images=(3,), listener=heard.append).name == "torch"
    (line,) = [note for note in notes(heard) if match in note]
    assert line.startswith("computing with PyTorch") and "\n" not in line
    with pytest.raises(SettingsError, match=match):
        choose_engine("fused", NETWORK, CPU, side=20, images=(3,))


def test_numba_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("tnas_cli.engines.fused")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("fused", "fused_engine"):  # which an import puts there again, half done
        monkeypatch.delattr(sys.modules["tnas_cli.engines"], name)
    monkeypatch.setitem(sys.modules, "numba", None)
    falls_back("Numba cannot be imported")


def test_a_kernel_folder_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernels").write_text("in the way")
    monkeypatch.setenv("TNAS_KERNELS", str(tmp_path / "kernels"))
    falls_back("compiled kernels cannot be kept")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_kernel_folder_that_is_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o500)
    monkeypatch.setenv("TNAS_KERNELS", str(tmp_path))
    falls_back("Permission denied")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up_while_compiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba writes an index for each function: the write fails as on a full disk."""
    from numba.core import caching

    def full(self: object, *arguments: object) -> None:
        with Path("/dev/full").open("w") as file:
            file.write("x" * 10**6)

    monkeypatch.setenv("TNAS_KERNELS", str(tmp_path))
    monkeypatch.setattr(caching.IndexDataCacheFile, "save", full)
    falls_back("No space left on device")


def test_compiling_is_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TNAS_KERNELS", str(tmp_path))
    network = FourConv(2, 1, 20, 8)
    cold: list[events.Event] = []
    fused_engine(cold.append).prepare(network, 20, (2,))
    assert sum("compiling kernels for this processor" in note for note in notes(cold)) == 1
    progress = [event for event in cold if isinstance(event, events.Progress)]
    assert [event.done for event in progress] == list(range(1, progress[-1].total + 1))
    warm: list[events.Event] = []
    fused_engine(warm.append).prepare(network, 20, (2,))
    assert warm == []


def test_other_kernel_sources_have_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tnas_cli.engines.fused import machine

    before = machine.kernel_folder()
    (tmp_path / "kernel.py").write_text("changed")
    monkeypatch.setattr(machine, "__file__", str(tmp_path / "machine.py"))
    monkeypatch.setattr(machine, "sources_digest", machine.sources_digest.__wrapped__)  # which looks only once
    after = machine.kernel_folder()
    assert before.name.rpartition("-")[0] == after.name.rpartition("-")[0]
    assert before != after


def test_an_engine_error_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernels").write_text("in the way")
    monkeypatch.setenv("TNAS_KERNELS", str(tmp_path / "kernels"))
    with pytest.raises(TnasError) as caught:
        fused_engine()
    assert "TNAS_KERNELS" in caught.value.hint


def test_narrow_vectors_give_the_same_numbers(tmp_path: Path) -> None:
    """The block sizes of processors without wide vectors, in a separate process that simulates such a processor."""
    if os.uname().machine != "x86_64":
        pytest.skip("the features are those of x86-64 processors")
    program = """
import torch
from tests.synthetic import labelled, parameters_of, worst_relative_error
from tnas_cli.engines.fused.machine import instruction_set, target
from tnas_cli.engines.fused_engine import FusedEngine
from tnas_cli.engines.interface import InnerRule
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tests.helpers import AUTO_MAML_5SHOT
assert (instruction_set(), target().lanes) == ("AVX2", 8), instruction_set()
network, rule = DecodedNetwork(AUTO_MAML_5SHOT, 2, 1, 16), InnerRule(0.05, 3.0, 1)
w, task = parameters_of(network), labelled(1, 2, 2, 1, 28, seed=1)
found, plain = (e.meta_gradient(network, w, task, task, rule).gradients for e in (FusedEngine(1), TorchEngine()))
assert worst_relative_error(found, plain) < 1e-10
print("same")
"""
    environment = {
        **os.environ,
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+sse2,+sse4.2,+avx,+avx2,+fma,+bmi,+bmi2",
        "TNAS_KERNELS": str(tmp_path),
    }
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=240)
    assert (ran.returncode, ran.stdout.strip()) == (0, "same"), ran.stderr


def test_few_images_are_not_worth_compiling_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor to load kernels for, where they are fewer still; they are used for any number that is worth it."""

    def chosen(pixels: int, name: str = "auto") -> str:
        return choose_engine(name, NETWORK, CPU, side=20, images=(3, 6), pixels=pixels).name

    with monkeypatch.context() as there_are_none:
        there_are_none.setenv("TNAS_KERNELS", str(tmp_path))
        assert not at_hand(NETWORK, 20, (3, 6)) and chosen(WORTH_COMPILING - 1) == "torch"
        assert not list(tmp_path.iterdir())  # nothing was compiled
    assert chosen(WORTH_COMPILING) == "fused"  # they are compiled, if they were not
    assert at_hand(NETWORK, 20, (3, 6)) and chosen(WORTH_LOADING) == "fused"
    assert chosen(WORTH_LOADING - 1) == "torch" and chosen(1, "fused") == "fused"
    kept = kernel_folder()
    monkeypatch.setenv("TNAS_KERNELS", str(tmp_path))
    (some := tmp_path / kept.name).mkdir()
    for folder in kept.iterdir():
        if folder.is_dir() and not folder.name.startswith("matmul-"):
            (some / folder.name).symlink_to(folder)
    assert not at_hand(NETWORK, 20, (3, 6))  # all of them are needed
    for folder in kept.glob("matmul-*"):
        (some / folder.name).symlink_to(folder)
    assert at_hand(NETWORK, 20, (3, 6))
