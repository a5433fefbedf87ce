"""Fixed networks by name, to compare with what is searched: tnas's own, and those that other packages declare as entry
points of the group `tnas.networks`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tnas_cli.errors import GenotypeError, did_you_mean
from tnas_cli.runs.plug_ins import PlugIns
from tnas_cli.spaces.four_conv import FourConv
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


#: tnas's own networks. ResNet-12 was published with 64 filters in its first block; narrower ones suit small machines.
OWN = {
    network.name: network
    for network in (
        *map(_four_conv, (32, 64)),
        *(_resnet12("resnet12", TADAM, filters) for filters in (8, 16, 32, 64)),
        *(_resnet12("resnet12-mtl", MTL, filters) for filters in (8, 16, 32, 64)),
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
