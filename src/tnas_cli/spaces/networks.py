"""Fixed networks by name, to compare with what is searched: tnas's own, and those that other packages declare as entry
points of the group `tnas.networks`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tnas_cli.errors import GenotypeError, did_you_mean
from tnas_cli.runs.plug_ins import PlugIns
from tnas_cli.spaces.cell_row import CellRow
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.known_genotypes import AUTO_META
from tnas_cli.spaces.network import Network
from tnas_cli.spaces.resnet12 import MTL, TADAM, Form, ResNet12

GROUP = "tnas.networks"


@dataclass(frozen=True)
class FixedNetwork:
    """A network that is not a genotype.

    name: its name in records. title: its name for people. channels: its width, as records carry it. build(way, channels
    of an image, pixels of a side): the network; raises SettingsError if it cannot take such images. citation: keys of
    `tnas cite`, or BibTeX entries.
    """

    name: str
    title: str
    channels: int
    build: Callable[[int, int, int], Network]
    citation: tuple[str, ...] = ()


def _four_conv(filters: int) -> FixedNetwork:
    def build(way: int, in_channels: int, size: int) -> FourConv:
        return FourConv(way, in_channels, size, filters)

    return FixedNetwork(f"4conv-{filters}", f"4CONV with {filters} filters", filters, build)


def _resnet12(name: str, form: Form, filters: int) -> FixedNetwork:
    def build(way: int, in_channels: int, size: int) -> ResNet12:
        return ResNet12(way, in_channels, size, filters, form)

    cited = {"TADAM's": "oreshkin2018tadam", "MTL's": "sun2019mtl"}[form.title]
    title = f"{form.title} ResNet-12 with {filters} to {8 * filters} filters"
    return FixedNetwork(f"{name}-{filters}", title, filters, build, (cited,))


#: The rows of cells behind Auto-Meta's two rows of Tables 3 and 6: (what the numbers are printed for, cells, channels).
#:
#: The numbers of cells and channels of Kim et al. (2018) were found in no source. These are solved for the printed
#: counts: of 3 to 20 cells and all even widths, the row with the nearest number of weights for 5 classes and images in
#: colour. 28K (both shots): 28,255 weights; 98.7K (1-shot): 99,577; 94.0K (5-shot): 94,445. The printed 98.7K and 94.0K
#: must be two cells, of which one is published, so here they are two sizes of that one.
AUTO_META_ROWS = {"small": (5, 10), "large-1shot": (4, 22), "large-5shot": (12, 12)}


def _auto_meta(size: str) -> FixedNetwork:
    layers, channels = AUTO_META_ROWS[size]

    def build(way: int, in_channels: int, side: int) -> CellRow:
        return CellRow(way, in_channels, side, AUTO_META, layers, channels)

    title = f"Auto-Meta's cell, {layers} times with {channels} channels"
    return FixedNetwork(f"auto-meta-{size}", title, channels, build, ("kim2018autometa",))


#: tnas's own networks. ResNet-12 was published with 64 filters in its first block; narrower ones suit small machines.
OWN = {
    network.name: network
    for network in (
        *map(_four_conv, (32, 64)),
        *(_resnet12("resnet12", TADAM, filters) for filters in (8, 16, 32, 64)),
        *(_resnet12("resnet12-mtl", MTL, filters) for filters in (8, 16, 32, 64)),
        *map(_auto_meta, AUTO_META_ROWS),
    )
}

#: Short names that a user may give instead.
SHORT = {"4conv": "4conv-32", "resnet12": "resnet12-64", "resnet12-mtl": "resnet12-mtl-64"}


def fixed_network(name: str) -> FixedNetwork:
    """The network of that name; raises GenotypeError, with a suggestion, if there is none."""
    found = OWN.get(name) or _ADDED.get(name)
    if found is None:
        raise GenotypeError(_ADDED.problem(name) or f"there is no network {name!r}.", hint=did_you_mean(name, names()))
    return found


def names() -> tuple[str, ...]:
    """Names of all fixed networks, without importing those of other packages."""
    return (*OWN, *_ADDED.names())


def added() -> dict[str, FixedNetwork]:
    """The networks of other packages by name; they are imported."""
    return _ADDED.all()


_ADDED: PlugIns[FixedNetwork] = PlugIns(GROUP, lambda: FixedNetwork, (*OWN, *SHORT))
