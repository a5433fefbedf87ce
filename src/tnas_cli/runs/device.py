"""Where a command computes and where its data lies, and a description of the machine for records."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tnas_cli.errors import SettingsError
from tnas_cli.records.parts import Environment
from tnas_cli.runs.board import require_tensorboard
from tnas_cli.runs.cluster_address import ClusterAddress
from tnas_cli.runs.cores import usable_cores
from tnas_cli.runs.ranks import local_rank, on_this_machine, started_by_torchrun
from tnas_cli.version import __version__

if TYPE_CHECKING:
    # Reports name a machine and compute nothing: they must not wait for PyTorch.
    import torch


@dataclass(frozen=True)
class Machine:
    """device: auto, cpu, cuda or mps; threads: CPU threads (None: those of OMP_NUM_THREADS, or
    all cores that may be used, of which each process that torchrun started gets its share); cache_root: folder of
    prepared data sets (None: the default); offline: never download; engine: auto, fused or torch; tensorboard: write
    event files for TensorBoard into the run directory; allow_other_data: measure on a data set although what was
    learned is from another one of the same name; cluster: whose workers do the units of a run that has several (None:
    this machine)."""

    device: str = "auto"
    threads: int | None = None
    cache_root: Path | None = None
    offline: bool = False
    engine: str = "auto"
    tensorboard: bool = False
    allow_other_data: bool = False
    cluster: ClusterAddress | None = None

    def or_else(self, before: Machine) -> Machine:
        """This machine for a run that continues: what is not asked for here stays as before, and nothing is
        downloaded."""
        return replace(
            self,
            device=before.device if self.device == "auto" else self.device,
            threads=self.threads or before.threads,
            cache_root=self.cache_root or before.cache_root,
            offline=True,
            engine=before.engine if self.engine == "auto" else self.engine,
            allow_other_data=self.allow_other_data or before.allow_other_data,
        )

    def start(self) -> torch.device:
        """Set the number of threads and return the device.

        Raises SettingsError when the device, or the package that writes event files, is not there.
        """
        import torch

        if self.tensorboard:
            require_tensorboard()
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        elif on_this_machine() > 1 and os.environ.get("OMP_NUM_THREADS", "1") == "1":
            torch.set_num_threads(max(1, usable_cores() // on_this_machine()))  # torchrun has set it to 1
        elif "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(min(torch.get_num_threads(), usable_cores()))
        return _own(choose_device(self.device))


def _own(device: torch.device) -> torch.device:
    """The GPU of this process, if torchrun started one for each."""
    import torch

    if device.type == "cpu" or not started_by_torchrun():
        return device
    if device.type != "cuda":
        raise SettingsError(f"torchrun cannot use the device {device.type}.", hint="add --device cpu")
    if local_rank() >= torch.cuda.device_count():
        raise SettingsError(
            f"process {local_rank()} of this machine has no GPU of its own; there are {torch.cuda.device_count()}.",
            hint="lower torchrun's --nproc-per-node, or add --device cpu",
        )
    device = torch.device("cuda", local_rank())
    torch.cuda.set_device(device)
    return device


#: A machine with every default.
HERE = Machine()


def choose_device(name: str) -> torch.device:
    """'auto' takes CUDA, then MPS, then the CPU; raises SettingsError when a named device is not there."""
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda", "mps"):
            raise RuntimeError(f"nothing computes on {device.type}")
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SettingsError(f"device {name!r} cannot be used.", hint="choose auto, cpu, cuda or mps") from error
    return device


def environment(device: torch.device) -> Environment:
    """What a result has to say about where it was computed."""
    import torch

    return Environment(
        package_version=__version__,
        python=platform.python_version(),
        torch=torch.__version__,
        platform=platform.platform(),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    )


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
