"""Facts about methods that need neither their import nor PyTorch: enough for help, refusals and reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tnas_cli.settings import features
from tnas_cli.settings.features import (
    ALTERNATING,
    CELLS,
    ENGINE,
    ENSEMBLE,
    HARD_TASKS,
    HEAD,
    INNER_LOOP,
    INNER_RATE,
    INNER_THETA,
    LEARNED_RATES,
    ORDER,
    OUTER_LOOP,
    OUTER_THETA,
    PIECES,
    PRETRAINING,
)

_FEATURES = {value for name, value in vars(features).items() if name.isupper() and isinstance(value, str)}


@dataclass(frozen=True, kw_only=True)
class About:
    """Facts about a method.

    title: the name of its result. searches: whether it belongs to `tnas search` or to `tnas train-eval`. reads: the
    machinery of settings that it reads (`settings.features`). differs: settings in which it differs from a preset.
    citation: keys of `tnas cite`, or BibTeX entries. network: the name of the network that it trains instead of the
    given one. Raises ValueError for machinery that does not exist.
    """

    name: str
    title: str
    searches: bool
    reads: frozenset[str]
    differs: Mapping[str, Any] = field(default_factory=dict)
    citation: tuple[str, ...] = ()
    network: str | None = None

    def __post_init__(self) -> None:
        unknown = sorted(self.reads - _FEATURES)
        if unknown:
            raise ValueError(f"it reads {unknown[0]!r}, which settings/features.py does not have")


#: MAML++ as published. The outer loss moves to the last step over 10 of 100 epochs or more; the outer rate falls from
#: 1e-3 to 1e-5; five checkpoints form an ensemble.
_PLUS_PLUS = {"learned_rates": "step", "step_norms": True, "multi_step": 0.1, "cosine_to": 0.01, "ensemble": 5}

_OUTER = frozenset({OUTER_LOOP, ENSEMBLE})
_METRIC = _OUTER | {CELLS}
_ON_FEATURES = _METRIC | {ENGINE}
_BY_STEPS = _OUTER | {INNER_LOOP, INNER_RATE, ORDER, CELLS, ENGINE}
_FROM_A_HEAD = _BY_STEPS | {HEAD}
_T_NAS = _FROM_A_HEAD | {INNER_THETA, OUTER_THETA, LEARNED_RATES, PIECES}
_BASE = _OUTER | {INNER_LOOP, INNER_RATE, INNER_THETA, OUTER_THETA, CELLS, ENGINE}
_BASE_CITED = ("lian2020tnas", "shaw2018base", "nichol2018reptile")
_T_NAS_CITED = ("lian2020tnas", "liu2019darts", "finn2017maml")

#: tnas's own methods, in the order of listing, each with the module that has its `METHOD`.
OWN: dict[str, tuple[About, str]] = {
    about.name: (about, f"tnas_cli.methods.{module}")
    for module, about in {
        "t_nas": About(name="t-nas", title="T-NAS", searches=True, reads=_T_NAS | {ALTERNATING}, citation=_T_NAS_CITED),
        "t_nas_plus_plus": About(
            name="t-nas++",
            title="T-NAS++",
            searches=True,
            reads=_T_NAS,
            differs=_PLUS_PLUS,
            citation=(*_T_NAS_CITED, "antoniou2019mamlpp"),
        ),
        "auto_maml": About(
            name="auto-maml",
            title="Auto-MAML",
            searches=True,
            reads=_FROM_A_HEAD | {OUTER_THETA},
            differs={"alpha_inner": 0.01, "beta_outer": 3e-4},  # the paper's appendix
            citation=_T_NAS_CITED,
        ),
        "base_softmax": About(
            name="base-softmax",
            title="BASE (Softmax)",
            searches=True,
            reads=_BASE,
            citation=_BASE_CITED,
        ),
        "base_gumbel_softmax": About(
            name="base-gumbel-softmax",
            title="BASE (Gumbel-Softmax)",
            searches=True,
            reads=_BASE,
            citation=_BASE_CITED,
        ),
        "maml": About(
            name="maml",
            title="MAML",
            searches=False,
            reads=_FROM_A_HEAD | {LEARNED_RATES, PIECES},
            citation=("finn2017maml",),
        ),
        "maml_plus_plus": About(
            name="maml++",
            title="MAML++",
            searches=False,
            reads=_FROM_A_HEAD | {LEARNED_RATES, PIECES},
            differs=_PLUS_PLUS,
            citation=("finn2017maml", "antoniou2019mamlpp"),
        ),
        "meta_sgd": About(
            name="meta-sgd",
            title="Meta-SGD",
            searches=False,
            reads=_FROM_A_HEAD | {PIECES},  # its rates are always per weight
            differs={  # Li et al., 2017; from a layer of zeros one step would move that layer alone
                "learned_rates": "weight",
                "inner_steps": 1,
                "test_steps": 1,
                "head": "learned",
            },
            citation=("li2017metasgd",),
        ),
        "anil": About(
            name="anil",
            title="ANIL",
            searches=False,
            reads=_FROM_A_HEAD | {LEARNED_RATES, PIECES},
            citation=("finn2017maml", "raghu2020anil"),
        ),
        "boil": About(
            name="boil",
            title="BOIL",
            searches=False,
            reads=_BY_STEPS | {LEARNED_RATES, PIECES},
            differs={"alpha_inner": 0.5, "inner_steps": 1, "test_steps": 1},  # Oh et al., 2021, for 4CONV
            citation=("finn2017maml", "oh2021boil"),
        ),
        "cavia": About(
            name="cavia",
            title="CAVIA",
            searches=False,
            reads=_OUTER | {INNER_LOOP, INNER_RATE, ORDER},
            # Zintgraf et al., 2019, for mini-ImageNet
            differs={"alpha_inner": 1.0, "inner_steps": 2, "test_steps": 2, "order": "second"},
            citation=("finn2017maml", "zintgraf2019cavia"),
        ),
        "bilevel": About(
            name="bilevel",
            title="Bilevel programming",
            searches=False,
            reads=_BY_STEPS | {LEARNED_RATES, PIECES},
            differs={"order": "second", "alpha_outer": 1e-3},  # Franceschi et al., 2018: the whole gradient
            citation=("franceschi2018bilevel",),
        ),
        "reptile": About(
            name="reptile",
            title="Reptile",
            searches=False,
            reads=_OUTER | {INNER_LOOP, INNER_RATE, CELLS, ENGINE},
            differs={  # Nichol et al., 2018, for mini-ImageNet
                "alpha_inner": 1e-3,
                "inner_steps": 8,
                "test_steps": 50,
                "alpha_outer": 1.0,
                "cosine_to": 0.0,
                "meta_batch": 5,
            },
            citation=("nichol2018reptile",),
        ),
        "meta_lstm": About(
            name="meta-lstm",
            title="Meta-LSTM",
            searches=False,
            reads=_OUTER | {INNER_LOOP, CELLS, ENGINE},
            differs={  # Ravi & Larochelle, 2017, for 1-shot
                "inner_steps": 12,
                "test_steps": 12,
                "meta_batch": 1,
                "alpha_outer": 1e-3,
                "cosine_to": 1.0,
            },
            citation=("ravi2017optimization",),
        ),
        "llama": About(
            name="llama",
            title="LLAMA",
            searches=False,
            reads=_OUTER | {INNER_LOOP, INNER_RATE},
            citation=("finn2017maml", "grant2018llama"),
        ),
        "proto_nets": About(
            name="protonets", title="ProtoNets", searches=False, reads=_ON_FEATURES, citation=("snell2017protonets",)
        ),
        "matching_nets": About(
            name="matching-nets",
            title="Matching nets",
            searches=False,
            reads=_ON_FEATURES,
            citation=("vinyals2016matching",),
        ),
        "matching_nets_fce": About(
            name="matching-nets-fce",
            title="Matching nets with full context embeddings",
            searches=False,
            reads=_ON_FEATURES,
            citation=("vinyals2016matching",),
        ),
        "siamese": About(
            name="siamese",
            title="Siamese nets",
            searches=False,
            reads=_ON_FEATURES,
            citation=("koch2015siamese",),
        ),
        "r2d2": About(
            name="r2d2",
            title="R2-D2",
            searches=False,
            reads=_ON_FEATURES,
            citation=("bertinetto2019closedform",),
        ),
        "tadam": About(
            name="tadam",
            title="TADAM",
            searches=False,
            reads=_OUTER,
            differs={"alpha_outer": 0.1, "meta_batch": 5},  # Oreshkin et al., 2018, for 1-shot
            citation=("oreshkin2018tadam",),
        ),
        "mtl": About(
            name="mtl",
            title="MTL",
            searches=False,
            reads=_OUTER | {INNER_LOOP, INNER_RATE, ORDER, PRETRAINING, HARD_TASKS},
            differs={  # Sun et al., 2019, for 1-shot; the rate is theirs for a loss that is a mean, at 5-way
                "alpha_inner": 0.005,
                "inner_steps": 20,
                "test_steps": 100,
                "order": "second",
                "alpha_outer": 1e-3,
                "cosine_to": 1.0,
                "meta_batch": 2,
                "hard_tasks": 10,
            },
            citation=("sun2019mtl",),
        ),
        "frozen": About(
            name="frozen",
            title="Frozen network, nearest class mean",
            searches=False,
            reads=_METRIC,
            differs={"meta_batch": 1},  # batches of 64 images
            citation=("chen2019closer",),
        ),
        "compare_nets": About(
            name="compare-nets",
            title="CompareNets",
            searches=False,
            reads=_OUTER,
            citation=("sung2018comparenets",),
            network="relation network",
        ),
        "memory": About(
            name="memory-module",
            title="Memory module",
            searches=False,
            reads=_OUTER,
            differs={"alpha_outer": 1e-3, "cosine_to": 1.0},  # without batch norm a larger rate learns less
            citation=("kaiser2017memory",),
            network="memory network",
        ),
        "statistician": About(
            name="neural-statistician",
            title="Neural Statistician",
            searches=False,
            reads=_OUTER,
            differs={"alpha_outer": 1e-3, "cosine_to": 1.0},  # Edwards & Storkey, 2017
            citation=("edwards2017statistician",),
            network="statistician network",
        ),
    }.items()
}
