"""Which engine computes: the fused kernels where they can do the job, plain PyTorch everywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from tnas_cli.engines.describe import NoKernelError, describe
from tnas_cli.engines.interface import Engine, Network
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.errors import SettingsError, TnasError, did_you_mean
from tnas_cli.runs import events

if TYPE_CHECKING:
    from tnas_cli.engines.fused_engine import FusedEngine

ENGINES = ("auto", "fused", "torch")

#: PyTorch goes through about half a million pixels of tasks a second. To load kernels takes two or three seconds, and
#: to compile them half a minute: for fewer pixels than these it is over before.
WORTH_LOADING, WORTH_COMPILING = 10**6, 10**7


def choose_engine(
    name: str,
    network: Network,
    device: torch.device,
    *,
    second_order: bool = False,
    side: int | None = None,
    images: Sequence[int] = (),
    pixels: int | None = None,
    listener: events.Listener = events.ignore,
) -> Engine:
    """The engine called `name`; 'auto' is the fastest one that can do the job.

    side, images: the images' size and the numbers of them that will come, so that kernels are compiled ahead. pixels:
    how many all images have together, if that is known; for few of them, 'auto' is PyTorch, and for some more until
    something else has compiled the kernels. If the fused kernels would fit but cannot be compiled or kept, 'auto' says
    so in one line and uses PyTorch. Raises SettingsError for an unknown name, and if 'fused' is asked for but cannot be
    used.
    """
    if name not in ENGINES:
        raise SettingsError(f"unknown engine {name!r}.", hint=did_you_mean(name, ENGINES))
    if name == "torch":
        return TorchEngine()
    reason = why_not_fused(network, device, second_order=second_order)
    if reason is None:
        if name == "auto" and side is not None and pixels is not None and _too_few(network, side, images, pixels):
            return TorchEngine()
        try:
            engine = fused_engine(listener)
            if side is not None:
                engine.prepare(network, side, images)
            return engine
        except TnasError as error:
            reason = error.message
            if name == "auto":
                listener(events.Note(f"computing with PyTorch, several times slower: {reason}"))
    if name == "fused":
        raise SettingsError(f"--engine fused cannot be used: {reason}", hint="choose --engine torch")
    return TorchEngine()


def _too_few(network: Network, side: int, images: Sequence[int], pixels: int) -> bool:
    """Whether images are computed sooner than kernels are loaded, or compiled where they have to be."""
    if pixels < WORTH_LOADING:
        return True
    if pixels >= WORTH_COMPILING:
        return False
    try:
        from tnas_cli.engines.fused_engine import at_hand
    except ImportError:
        return False  # which `fused_engine` says
    return not at_hand(network, side, images)


def fused_engine(listener: events.Listener = events.ignore) -> FusedEngine:
    """The fused engine; compiling is reported to the listener. Raises TnasError if it cannot be used."""
    try:
        from tnas_cli.engines.fused_engine import FusedEngine, instruction_set
    except ImportError as error:
        raise TnasError(
            f"Numba cannot be imported ({error}).", hint="pip install --force-reinstall tnas-cli, or --engine torch"
        ) from error

    def on_compile(done: int, total: int, seconds: float) -> None:
        if done == 1:
            listener(events.Note(f"compiling kernels for this processor ({instruction_set()}), once per machine"))
        listener(events.Progress("compiling", done, total, "kernels"))

    return FusedEngine(on_compile=on_compile)


def decisive(networks: Sequence[Network], device: torch.device) -> Network:
    """The one of several networks that `choose_engine` is to look at: the first that the fused kernels cannot compute,
    or the first of all."""
    return next((network for network in networks if why_not_fused(network, device) is not None), networks[0])


def why_not_fused(network: Network, device: torch.device, *, second_order: bool = False) -> str | None:
    """Why the fused kernels cannot do a job, in words; None if they can."""
    if device.type != "cpu":
        return f"it computes on the CPU, but the device is {device.type}."
    if second_order:
        return "it computes first-order gradients only."
    try:
        describe(network)
    except NoKernelError as error:
        return str(error)
    return None
