"""The BibTeX entries: well-formed, and cited for the right runs."""

from __future__ import annotations

import dataclasses
import re

import pytest

from tnas_cli.episodes.specs import DATASETS
from tnas_cli.report import references as report_references
from tnas_cli.report.references import Reference, cited_for, references
from tnas_cli.spaces import networks, registry
from tnas_cli.spaces.tiny import TINY

ALL = references()
#: The required fields of each kind of entry.
REQUIRED = {
    "inproceedings": {"title", "author", "booktitle", "year"},
    "article": {"title", "author", "journal", "year"},
    "techreport": {"title", "author", "institution", "year"},
    "misc": {"title", "author", "note"},
}


@pytest.mark.parametrize("reference", ALL, ids=lambda r: r.key)
def test_an_entry_is_well_formed(reference: Reference) -> None:
    kind, key = re.match(r"@(\w+)\{(\w+),\n", reference.bibtex).groups()  # type: ignore[union-attr]
    assert key == reference.key
    fields = dict(re.findall(r"^  (\w+) +=\s+\{(.*?)\},?$", reference.bibtex, re.MULTILINE | re.DOTALL))
    assert REQUIRED[kind] <= set(fields)
    depth = 0
    for character in reference.bibtex:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0 and reference.bibtex.endswith("\n}")
    assert reference.bibtex.isascii()
    assert reference.always or reference.methods or reference.datasets
    if "year" in fields:
        assert fields["year"] in key


def test_no_key_is_used_twice() -> None:
    assert len({reference.key for reference in ALL}) == len(ALL)


def test_every_data_set_with_a_source_is_cited() -> None:
    named = {name.split(":")[0] for reference in ALL for name in reference.datasets}
    assert named == set(DATASETS) - {"glyphs", "folder"}


def keys(methods: set[str], datasets: dict[str, set[str]]) -> set[str]:
    return {reference.key for reference in cited_for(methods, datasets)}


def test_without_anything_the_paper_and_the_tool_are_cited() -> None:
    assert keys(set(), {}) == {"lian2020tnas", "tnas"}


@pytest.mark.parametrize(
    ("method", "cited"),
    [
        ("t-nas", {"liu2019darts", "finn2017maml"}),
        ("t-nas++", {"liu2019darts", "finn2017maml", "antoniou2019mamlpp"}),
        ("maml", {"finn2017maml"}),
        ("meta-sgd", {"li2017metasgd"}),
        ("anil", {"raghu2020anil", "finn2017maml"}),
        ("reptile", {"nichol2018reptile"}),
        ("boil", {"oh2021boil", "finn2017maml"}),
        ("bilevel", {"franceschi2018bilevel"}),
        ("llama", {"grant2018llama", "finn2017maml"}),
        ("meta-lstm", {"ravi2017optimization"}),
        ("protonets", {"snell2017protonets"}),
        ("r2d2", {"bertinetto2019closedform"}),
        ("tadam", {"oreshkin2018tadam"}),
        ("frozen", {"chen2019closer"}),
        ("mtl", {"sun2019mtl"}),
        ("compare-nets", {"sung2018comparenets"}),
        ("matching-nets", {"vinyals2016matching"}),
        ("memory-module", {"kaiser2017memory"}),
        ("neural-statistician", {"edwards2017statistician"}),
        ("siamese", {"koch2015siamese"}),
        ("matching-nets-fce", {"vinyals2016matching"}),
        ("nasnet-a", {"zoph2018nasnet"}),
        ("amoebanet-a", {"real2019amoebanet"}),
        ("amoebanet-c", {"real2019amoebanet"}),
        ("pnas", {"liu2018pnas"}),
        ("enas", {"pham2018enas"}),
        ("base", {"shaw2018base"}),
        ("auto-meta", {"kim2018autometa", "liu2018pnas"}),
        ("darts-second-order", {"liu2019darts"}),
        ("a-method-of-mine", set()),
    ],
)
def test_methods(method: str, cited: set[str]) -> None:
    assert keys({method}, {}) == {"lian2020tnas", "tnas"} | cited


@pytest.mark.parametrize(
    ("dataset", "protocol", "cited"),
    [
        ("omniglot", "random", {"lake2015omniglot"}),
        ("omniglot", "vinyals", {"lake2015omniglot", "vinyals2016matching"}),
        ("fc100", "superclasses", {"oreshkin2018tadam", "krizhevsky2009cifar"}),
        ("cifar-fs", "bertinetto", {"bertinetto2019closedform", "krizhevsky2009cifar"}),
        ("mini-imagenet", "ravi", {"vinyals2016matching", "ravi2017optimization", "russakovsky2015imagenet"}),
        ("cifar10", "images", {"krizhevsky2009cifar"}),
        ("imagenet", "images", {"russakovsky2015imagenet"}),
        ("glyphs", "drawn", set()),
    ],
)
def test_data_sets(dataset: str, protocol: str, cited: set[str]) -> None:
    assert keys(set(), {dataset: {protocol}}) == {"lian2020tnas", "tnas"} | cited


def test_what_a_method_and_a_data_set_of_another_package_declare_is_cited(monkeypatch: pytest.MonkeyPatch) -> None:
    entry, other = "@misc{me2026mine,\n  title = {Mine}\n}", "@misc{you2026yours,\n  title = {Yours}\n}"
    monkeypatch.setattr(report_references, "added_citations", {"mine": ("finn2017maml", entry)}.__getitem__)
    yours = dataclasses.replace(DATASETS["glyphs"], name="yours", citation=(other,))
    monkeypatch.setitem(DATASETS, "yours", yours)
    monkeypatch.setattr(report_references.PlugIns, "names", lambda self: ("yours",))
    cited = {"lian2020tnas", "tnas", "finn2017maml", "me2026mine", "you2026yours"}
    assert keys({"mine"}, {"yours": set()}) == cited


def test_what_a_space_and_a_network_of_another_package_declare_is_cited(monkeypatch: pytest.MonkeyPatch) -> None:
    space = dataclasses.replace(TINY, name="mine", citation=("@misc{me2026space,\n  title = {Mine}\n}",))
    network = dataclasses.replace(networks.OWN["4conv-32"], name="yours", citation=("finn2017maml",))
    monkeypatch.setattr(registry, "added", lambda: {"mine": space})
    monkeypatch.setattr(networks, "added", lambda: {"yours": network})
    always = {"lian2020tnas", "tnas"}
    assert {r.key for r in cited_for((), {}, ["mine"], ["yours"])} == always | {"me2026space", "finn2017maml"}
    assert {r.key for r in cited_for((), {}, [], ["resnet12-8"])} == always | {"oreshkin2018tadam"}
    assert {r.key for r in cited_for((), {}, [], ["auto-meta-small"])} == always | {"kim2018autometa"}
    assert {r.key for r in cited_for((), {}, [], ["resnet12-mtl-8"])} == always | {"sun2019mtl"}
    # The other spaces and networks of tnas, and packages that are not installed, add nothing.
    assert {r.key for r in cited_for((), {}, ["darts", "tiny", "gone"], ["4conv-32", "relation network"])} == always
