"""Options that several subcommands share, each declared once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON object per line on stdout, the last one the result.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No words and no progress on stderr.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="More words on stderr.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads; default: all cores.")]
Engine = Annotated[str, typer.Option("--engine", help="auto, fused (compiled kernels, CPU) or torch (any device).")]
CacheDir = Annotated[
    Path | None,
    typer.Option("--cache-dir", help="Where prepared data sets lie; default: TNAS_CACHE or the user's cache folder."),
]
Tensorboard = Annotated[
    bool,
    typer.Option("--tensorboard", help="Also write event files for TensorBoard, into RUN/tensorboard."),
]
Offline = Annotated[bool, typer.Option("--offline", help="Never download anything.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would cost on this machine, and stop.")]
MaxSkips = Annotated[
    int | None, typer.Option("--max-skips", min=0, help="At most so many skip connections in each decoded cell.")
]

# What search and train-eval have in common. None means: as the preset says.
Way = Annotated[int | None, typer.Option("--way", min=2, help="Classes per task.")]
Shot = Annotated[int | None, typer.Option("--shot", min=1, help="Support images per class.")]
Query = Annotated[int | None, typer.Option("--query", min=1, help="Query images per class.")]
Protocol = Annotated[str | None, typer.Option("--protocol", help="The data set's split protocol.")]
MetaBatch = Annotated[int | None, typer.Option("--meta-batch", min=1, help="Tasks per outer step.")]
AlphaInner = Annotated[float | None, typer.Option("--alpha-inner", help="Inner learning rate of w.")]
InnerSteps = Annotated[int | None, typer.Option("--inner-steps", min=1, help="Inner steps M while training.")]
TestSteps = Annotated[int | None, typer.Option("--test-steps", min=1, help="Inner steps when validating and testing.")]
AlphaOuter = Annotated[float | None, typer.Option("--alpha-outer", help="Adam's rate for w~.")]
Order = Annotated[
    str | None,
    typer.Option("--order", help="first (Equation 8), second (Equation 6), or annealed: first, then second."),
]
LearnedRates = Annotated[
    str | None, typer.Option("--learned-rates", help="Inner rates that are learned: none, step (per tensor) or weight.")
]
StepNorms = Annotated[
    bool | None, typer.Option("--step-norms/--no-step-norms", help="Batch norms' gain and bias for each inner step.")
]
MultiStep = Annotated[
    float | None, typer.Option("--multi-step", help="Share of the training with a loss after every step; 0: never.")
]
CosineTo = Annotated[
    float | None, typer.Option("--cosine-to", help="Share to which outer rates fall along a cosine; 1: constant.")
]
Ensemble = Annotated[
    int | None, typer.Option("--ensemble", min=1, help="Best validation checkpoints that answer together.")
]
Channels = Annotated[int | None, typer.Option("--channels", min=2, help="Channels of the normal cell.")]
ValidateEvery = Annotated[int | None, typer.Option("--validate-every", min=1, help="Tasks between validations.")]
ValidationTasks = Annotated[int | None, typer.Option("--validation-tasks", min=1, help="Validation tasks.")]
PresetSeed = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of everything random.")]
Runs = Annotated[Path, typer.Option("--runs", help="Folder of run directories.")]


def settings_given(settings: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Of a command's parameters those that are settings by the same name, where the user gave them."""
    names = [field.name for field in dataclasses.fields(settings)]
    return {name: values[name] for name in names if values.get(name) is not None}
