"""Networks that a method trains and no other: what it refuses, and what to type instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tnas_cli.engines.interface import Network
from tnas_cli.errors import SettingsError
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.resnet12 import Form, ResNet12
from tnas_cli.spelling import command

Own = TypeVar("Own")


def in_place_of_4conv(network: Network, method: str, make: Callable[[int, int, int, int], Own]) -> Own:
    """A method's own network, made from the way, channels, size and filters of 4CONV; raises SettingsError for any
    other network."""
    if not isinstance(network, FourConv):
        raise SettingsError(
            f"{method} has an architecture of its own, and trains no genotype.",
            hint=_instead("4conv", method),
        )
    return make(network.way, network.in_channels, network.size, network.filters)


def resnet12_of(network: Network, form: Form, method: str, name: str) -> ResNet12:
    """ResNet-12 in a method's form, which `tnas train-eval` knows by `name`; raises SettingsError for any other
    network."""
    if not isinstance(network, ResNet12) or network.form != form:
        raise SettingsError(
            f"{method} needs {form.title} ResNet-12, and trains no other network.",
            hint=f"{_instead(name, method)} (or {name}-8, -16, -32)",
        )
    return network


def _instead(network: str, method: str) -> str:
    return f"run: {command('tnas', 'train-eval', network, '--method', method, '--dataset', 'NAME')}"
