import pytest
import torch

from tnas_cli.errors import SettingsError
from tnas_cli.runs import device
from tnas_cli.runs.device import HERE, Machine, choose_device, environment
from tnas_cli.version import __version__


def test_a_named_device() -> None:
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "", "cpu:x", "meta", "cuda:4096"])
def test_a_device_that_cannot_compute(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        choose_device(name)
    assert repr(name) in caught.value.message
    assert "cuda" in caught.value.hint


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_takes_the_fastest_there_is(cuda: bool, mps: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device("auto").type == expected


def test_machine_sets_the_threads() -> None:
    before = torch.get_num_threads()
    try:
        assert Machine(device="cpu", threads=before + 1).start().type == "cpu"
        assert torch.get_num_threads() == before + 1
        HERE.start()
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_environment_names_what_a_result_needs() -> None:
    found = environment(torch.device("cpu")).to_json()
    assert found["package_version"] == __version__
    assert found["torch"] == torch.__version__
    assert found["device"] == "cpu"
    assert found["threads"] == torch.get_num_threads()
    assert all(found[name] for name in ("python", "platform", "processor", "cores"))


@pytest.fixture
def third_of_four(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process as torchrun starts it, one of four on this machine."""
    for name, value in {"RANK": 2, "WORLD_SIZE": 4, "LOCAL_RANK": 2, "LOCAL_WORLD_SIZE": 4}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.mark.usefixtures("third_of_four")
def test_a_process_of_torchrun_has_its_share_of_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Although torchrun says 1."""
    threads = torch.get_num_threads()
    monkeypatch.setattr(device, "usable_cores", lambda: 12)
    try:
        Machine(device="cpu").start()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)


@pytest.mark.usefixtures("third_of_four")
@pytest.mark.parametrize(("name", "said"), [("mps", "cannot use the device mps"), ("cuda", "no GPU of its own")])
def test_a_process_of_torchrun_without_a_device_of_its_own(
    name: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(SettingsError, match=said):
        device._own(torch.device(name))
