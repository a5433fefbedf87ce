"""Whole records for tests to vary."""

from __future__ import annotations

from typing import Any

from tnas_cli.records import kinds, other_results, parts, reported, results, run_list

ENVIRONMENT = parts.Environment(package_version="0.2.0", device="cpu", threads=2)
GENOTYPE = {"normal": [["sep_conv_3x3", 0], ["skip_connect", 1]], "reduce": [["max_pool_3x3", 0], ["dil_conv_5x5", 1]]}
DATA = parts.DataFacts(
    dataset="omniglot", protocol="random", size=28, channels=1, mean=(0.0,), std=(1.0,), fingerprint="ab12"
)
PREPARED = parts.Preparation(size=28, channels=1, mean=(0.0,), std=(1.0,), resize="fit", invert="auto", inverted=3)


def an_adapted(**changes: Any) -> kinds.Adapted:
    """The first stored test task of Omniglot."""
    values: dict[str, Any] = {
        "task": parts.TaskName(dataset="omniglot", protocol="random", split="test", index=0),
        "checkpoint": "runs/search-1/best.pt",
        "run": "runs/search-1",
        "method": "t-nas",
        "seed": 0,
        "data": DATA,
        "way": 5,
        "shot": 1,
        "channels": 16,
        "search_tasks": 8000,
        "inner": parts.Inner(alpha=0.1, beta=30.0, steps=5),
        "support_losses": (1.6, 0.5, 0.1),
        "theta": (((0.0,) * 8,) * 14,) * 2,
        "theta_mean_largest_probability": 0.125,
        "skip_connections": 2,
        "pools": 3,
        "accuracy": 0.96,
        "query": 75,
    }
    return kinds.Adapted(**values | changes)


def a_training(**changes: Any) -> results.TrainResult:
    """T-NAS on Omniglot, 5-way 1-shot, genotypes trained from scratch."""
    values: dict[str, Any] = {
        "run": "runs/train-eval-omniglot-5w1s-t-nas-1",
        "method": "t-nas",
        "network": None,
        "dataset": "omniglot",
        "protocol": "random",
        "fingerprint": "0123abcd",
        "split": "test",
        "way": 5,
        "shot": 1,
        "query": 15,
        "tasks": 600,
        "mean": 0.9876,
        "interval": 0.0034,
        "transductive": True,
        "weights": "from-scratch",
        "seed": 0,
        "budget": parts.Budget(
            search=parts.Amount(amount=8000, unit="tasks"),
            training=parts.Amount(amount=3000, unit="tasks", each="genotype"),
        ),
        "wall_seconds": 812.0,
        "engine": None,
        "environment": ENVIRONMENT,
        "genotypes": 20,
        "genotypes_trained": 4,
        "parameters_mean": 24012.5,
        "per_genotype": (),
        "own_tasks": None,
        "hours": None,
        "resumed": False,
    }
    return results.TrainResult(**values | changes)


def a_decoded(**changes: Any) -> kinds.Decoded:
    """A genotype and its origin."""
    values: dict[str, Any] = {
        "digest": "12345678",
        "genotype": GENOTYPE,
        "darts": "Genotype(...)",
        "parameters": 4711,
        "skip_connections": 1,
        "pools": 1,
        "counted_for": parts.CountedFor(way=5, image_channels=1, channels=16),
        "data": DATA,
        "way": 5,
    }
    return kinds.Decoded(**values | changes)


EVERY = [
    an_adapted(),
    an_adapted(shot=(1, 2), accuracy=None, preparation=PREPARED, members=3, transductive=False),
    an_adapted(
        task=parts.TaskName(folder="a b/task"),
        classes=("cat", "dog"),
        predictions=(parts.Prediction(image="x.png", class_="cat", probability=0.9, label="dog"),),
    ),
    a_decoded(),
    a_decoded(parameters=None, name="NASNet-A", space="tiny"),
    kinds.FixedNetwork(network="4conv-32", channels=32),
    kinds.Step(stage="search", tasks=40, values={"loss": 0.3, "tasks/s": 51.5}),
    kinds.Step(stage="ab", batches=4, values={}),
    kinds.Validated(stage="search", tasks=40, accuracy=0.5, interval=0.1),
    reported.Reference(key="lian2020", bibtex="@inproceedings{lian2020}"),
    reported.FigureFiles(figure="x", caption="y", files=("x.svg", "x.png")),
    reported.TableRecord(table=2, title="t", source="s", records=({"our_mean": 1.5},), notes=("n",)),
    reported.Outcome(status="met", which={"way": 5}, at_least=0.5, at_most=1.0, means=(0.9,), runs=(None,)),
    a_training(),
    a_training(
        weights="inherited",
        inductive=parts.Accuracy(mean=0.5, interval=0.1),
        selected=parts.TrainedNetwork(digest="x", count=2, mean=0.5, interval=0.1, validation=0.6, parameters=3),
        own_tasks=parts.OwnTasks(
            tasks=1, mean=0.5, interval=0.0, per_task=(parts.TaskAccuracy(index=0, accuracy=0.5, digest="x"),)
        ),
        seeds=(0, 1),
        runs=("a", "b"),
        argv=("tnas", "train-eval"),
    ),
    reported.CiteResult(methods=("maml",), datasets=(), references=3),
    reported.ReportResult(table=2, measured=0),
    run_list.ListedRun(
        run="runs/search-1",
        state="stopped",
        reason="process 12 on here is gone",
        command="search",
        method="t-nas",
        dataset="omniglot",
        way=5,
        shot=1,
        seed=0,
        done=8,
        asked=40,
        unit="tasks",
        accuracy=0.5,
        interval=0.1,
        measured_on="validation",
        wall_seconds=None,
        changed="2026-01-02T03:04:05+00:00",
    ),
    run_list.RunsResult(folder="runs", found=3, finished=1, running=0, stopped=1, broken=1),
    run_list.WatchResult(run="runs/search-1", state="gone", accuracy=None, interval=None),
    other_results.TrainEstimate(
        engine="torch",
        parameters=1,
        flops_per_task=None,
        seconds_per_step=0.1,
        seconds_per_validation=0.2,
        steps=3,
        total_seconds=4.0,
        genotypes=2,
        side_by_side=1,
    ),
]
