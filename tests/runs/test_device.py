import pytest
import torch

from tnas_cli.errors import SettingsError
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
