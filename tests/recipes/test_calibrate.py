"""Which classifier a checkpoint answers by, and at which temperature: both are those of its validation tasks."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tnas_cli.methods.class_means import Classifier
from tnas_cli.methods.learner import Fitted
from tnas_cli.recipes.calibrate import calibrate, keep
from tnas_cli.records.codec import decode
from tnas_cli.records.parts import Calibration
from tnas_cli.runs import checkpoint
from tnas_cli.spaces.parameters import Parameters


class Oracle(Fitted):
    """Answers by labels that it is given instead of images [1, N]: right in so many of them."""

    def __init__(self, right: dict[Classifier, int], classifier: Classifier = "linear") -> None:
        self.right, self.classifier = right, classifier

    @property
    def own(self) -> Parameters:
        return {}

    @property
    def classifiers(self) -> tuple[Classifier, ...]:
        return tuple(self.right)

    def by(self, classifier: Classifier) -> Fitted:
        return Oracle(self.right, classifier)

    def transductive(self, x: Tensor) -> Tensor:
        raise AssertionError("calibration is of inductive answers")

    def inductive(self, x: Tensor) -> Tensor:
        answered = torch.where(torch.arange(x.shape[1]) < self.right[self.classifier], x, (x + 1) % 3)
        return 4.0 * torch.nn.functional.one_hot(answered, 3).double()


def calibrated(**right: int) -> list[Calibration]:
    labels = torch.arange(3).repeat(4).unsqueeze(0)  # [1, 12]
    return calibrate([(Oracle(right), labels, labels)] * 2)  # type: ignore[arg-type]


def test_the_more_accurate_classifier_comes_first() -> None:
    means, linear = calibrated(linear=6, means=9)
    assert (means.classifier, means.accuracy, means.images) == ("means", 0.75, 24)
    assert (linear.classifier, linear.accuracy) == ("linear", 0.5)
    # Two are told apart by where their probabilities ought to be: p = softmax(4 / T) is the accuracy.
    for one in (means, linear):
        confidence = torch.tensor([4.0 / one.temperature, 0, 0]).softmax(0)[0]
        assert float(confidence) == pytest.approx(one.accuracy, abs=1e-3)
    assert [one.classifier for one in calibrated(linear=9, means=9)] == ["linear", "means"]
    assert [one.classifier for one in calibrated(linear=2)] == ["linear"]


def test_it_is_kept_in_the_checkpoint_which_stays_as_it_was(tmp_path: Path) -> None:
    path, tensors = tmp_path / "best.pt", {"parameters/w": torch.arange(3.0)}
    checkpoint.save(path, checkpoint.Checkpoint(checkpoint.DECODED_WEIGHTS, {"run": "here"}, tensors))
    found = calibrated(linear=6, means=9)
    keep(path, checkpoint.DECODED_WEIGHTS, found)
    saved = checkpoint.load(path, checkpoint.DECODED_WEIGHTS)
    assert [decode(Calibration, one) for one in saved.about["calibration"]] == found
    assert saved.about["run"] == "here"
    assert torch.equal(saved.tensors["parameters/w"], tensors["parameters/w"])
