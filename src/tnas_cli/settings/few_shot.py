"""Every setting of search and of evaluation training, validated once; presets hold published values."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, Self

from tnas_cli.errors import SettingsError, did_you_mean

#: Images from which the stem's two halvings and the reduction cell leave something to look at.
SMALLEST_IMAGE, LARGEST_IMAGE = 20, 224

#: The number of tasks where only time limits a training.
UNLIMITED = 10**9

#: MAML++ as published (Antoniou et al., 2019): its pieces, each of which is a setting. The outer loss moves to the last
#: step during 10 of 100 epochs or more; the outer rate falls from 1e-3 to 1e-5.
_PLUS_PLUS: dict[str, Any] = {
    "learned_rates": "step",
    "step_norms": True,
    "multi_step": 0.1,
    "cosine_to": 0.01,
    "ensemble": 5,  # five checkpoints answer together
}

#: The methods, and the settings in which each differs from its preset.
SEARCH_METHODS: dict[str, dict[str, Any]] = {
    "t-nas": {},
    "t-nas++": _PLUS_PLUS,
    "auto-maml": {"alpha_inner": 0.01, "beta_outer": 3e-4},  # the paper's appendix
}
TRAIN_METHODS: dict[str, dict[str, Any]] = {
    "maml": {},
    "maml++": _PLUS_PLUS,
    "meta-sgd": {"learned_rates": "weight", "inner_steps": 1, "test_steps": 1},  # Li et al., 2017
    "anil": {},
    "protonets": {},
    "matching-nets": {},
    "compare-nets": {},
}

#: The methods whose inner loop may have the pieces of MAML++.
WITH_PIECES = ("t-nas", "t-nas++", "maml", "maml++", "meta-sgd", "anil")


@dataclass(frozen=True)
class _Settings:
    """What search and evaluation training share."""

    dataset: str
    way: int = 5
    shot: int = 1
    query: int = 15
    protocol: str = ""
    seed: int = 0
    channels: int = 16
    alpha_inner: float = 0.1
    inner_steps: int = 5
    test_steps: int = 5
    alpha_outer: float = 1e-3
    order: Literal["first", "second", "annealed"] = "first"
    learned_rates: Literal["none", "step", "weight"] = "none"
    step_norms: bool = False
    multi_step: float = 0.0
    cosine_to: float = 1.0
    ensemble: int = 1
    reduction: Literal["sum", "mean"] = "mean"
    tasks: int = 2000
    hours: float = 0.0  # 0: no limit
    meta_batch: int = 4
    train_split: str = "train"
    validate_every: int = 1000
    validation_tasks: int = 100

    def __post_init__(self) -> None:
        for name in ("way", "tasks", "meta_batch", "validate_every", "validation_tasks"):
            self._at_least(name, 2 if name == "way" else 1)
        for name in ("shot", "query", "inner_steps", "test_steps"):
            self._at_least(name, 1)
        for name in ("alpha_inner", "alpha_outer"):
            self._positive(name)
        self._at_least("seed", 0)
        self._at_least("ensemble", 1)
        if not _is_number(self.hours) or not 0 <= self.hours < float("inf"):
            raise SettingsError(f"hours is {self.hours!r}.", hint="choose a finite number above 0, or 0 for no limit")
        self._at_least("channels", 2)
        if self.channels % 2:
            raise SettingsError(f"channels is {self.channels}.", hint="choose an even number, at least 2")
        self._one_of("order", ("first", "second", "annealed"))
        self._one_of("learned_rates", ("none", "step", "weight"))
        self._share("multi_step")
        self._share("cosine_to")
        self._check_pieces()
        self._one_of("reduction", ("sum", "mean"))
        self._one_of("train_split", ("train", "train+val"))

    @property
    def pieces(self) -> list[str]:
        """The settings of MAML++'s inner loop that are not plain MAML's."""
        plain = {"learned_rates": "none", "step_norms": False, "multi_step": 0.0}
        found = [name for name, value in plain.items() if getattr(self, name) != value]
        return [*found, "order"] if self.order == "annealed" else found

    def _check_pieces(self) -> None:
        """Methods with an inner loop of another kind refuse what they would ignore."""
        method = getattr(self, "method", "")
        if self.pieces and (method not in WITH_PIECES or getattr(self, "alternating", False)):
            other = method if method not in WITH_PIECES else "Equation 5 (alternating)"
            raise SettingsError(
                f"{self.pieces[0]} is {getattr(self, self.pieces[0])!r}, which has no meaning for {other}.",
                hint=f"leave it out, or choose one of {', '.join(WITH_PIECES)}",
            )

    def _at_least(self, name: str, least: int) -> None:
        value = getattr(self, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise SettingsError(f"{name} is {value!r}.", hint=f"choose a whole number of at least {least}")

    def _positive(self, name: str) -> None:
        value = getattr(self, name)
        if not _is_number(value) or not 0 < value < float("inf"):
            raise SettingsError(f"{name} is {value!r}.", hint="choose a finite number above 0")

    def _share(self, name: str) -> None:
        value = getattr(self, name)
        if not _is_number(value) or not 0 <= value <= 1:
            raise SettingsError(f"{name} is {value!r}.", hint="choose a number from 0 to 1")

    def _one_of(self, name: str, allowed: tuple[str, ...]) -> None:
        value = getattr(self, name)
        if value not in allowed:
            raise SettingsError(f"{name} is {value!r}.", hint=did_you_mean(str(value), allowed))

    def replace(self, **changes: Any) -> Self:
        """The same settings with some values changed, validated again."""
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for checkpoints and records."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Settings from plain values; raises SettingsError for a name that does not exist."""
        known = {field.name for field in dataclasses.fields(cls)}
        for name in values:
            if name not in known:
                raise SettingsError(f"unknown setting {name!r}.", hint=did_you_mean(name, known))
        if "dataset" not in values:
            raise SettingsError("the setting 'dataset' is missing.", hint="name a prepared data set")
        plain: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
        return cls(**plain)

    def to_toml(self) -> str:
        """The settings as a TOML file."""
        return "".join(f"{name} = {_toml(value)}\n" for name, value in self.to_dict().items())


@dataclass(frozen=True)
class SearchSettings(_Settings):
    """T-NAS search (Algorithm 1), or another method that learns the search network."""

    method: str = "t-nas"
    nodes: int = 4
    beta_inner: float = 30.0
    beta_outer: float = 1e-3
    theta_betas: tuple[float, float] = (0.9, 0.999)
    theta_weight_decay: float = 0.0
    alternating: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._one_of("method", tuple(SEARCH_METHODS))
        self._at_least("nodes", 2)
        for name in ("beta_inner", "beta_outer"):
            self._positive(name)
        betas: object = self.theta_betas
        if not isinstance(betas, tuple) or len(betas) != 2 or not all(_is_number(b) and 0 <= b < 1 for b in betas):
            raise SettingsError(f"theta_betas is {self.theta_betas!r}.", hint="choose two numbers from 0 up to below 1")
        if not _is_number(self.theta_weight_decay) or not 0 <= self.theta_weight_decay < float("inf"):
            raise SettingsError(f"theta_weight_decay is {self.theta_weight_decay!r}.", hint="choose 0 or more")


@dataclass(frozen=True)
class TrainSettings(_Settings):
    """Training of a fixed network from scratch, and its test (Section 5.2.2)."""

    method: str = "maml"
    test_tasks: int = 600

    def __post_init__(self) -> None:
        super().__post_init__()
        self._one_of("method", tuple(TRAIN_METHODS))
        self._at_least("test_tasks", 2)


def presets(kind: Literal["search", "train_eval"]) -> dict[str, dict[str, Any]]:
    """The presets of a command: name -> settings that differ from the defaults."""
    text = resources.files("tnas_cli.settings").joinpath("presets", f"{kind}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def preset(kind: Literal["search", "train_eval"], name: str) -> dict[str, Any]:
    """One preset; raises SettingsError with a suggestion when it does not exist."""
    known = presets(kind)
    if name not in known:
        raise SettingsError(f"unknown preset {name!r}.", hint=did_you_mean(name, known))
    return known[name]


def for_one_training(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the user gave for a single training: where it names hours and no tasks, only time ends it."""
    return dict(given) | ({"tasks": UNLIMITED} if given.get("hours") and "tasks" not in given else {})


def of_method(kind: Literal["search", "train_eval"], method: str | None) -> dict[str, Any]:
    """The settings in which a method differs from a preset; raises SettingsError for a name that does not exist."""
    known = SEARCH_METHODS if kind == "search" else TRAIN_METHODS
    if method is None:
        return {}
    if method not in known:
        raise SettingsError(f"unknown method {method!r}.", hint=did_you_mean(method, known))
    return known[method]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return repr(value)
