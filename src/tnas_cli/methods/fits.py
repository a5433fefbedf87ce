"""Whether complete settings and the requested engine fit a method: what the method would ignore is refused."""

from __future__ import annotations

from tnas_cli.methods.about import About
from tnas_cli.methods.registry import readers
from tnas_cli.settings.applies import refuse, refuse_switches
from tnas_cli.settings.features import ENGINE
from tnas_cli.settings.meta_learning import MetaLearningSettings


def check_fit(settings: MetaLearningSettings, method: About, engine: str) -> None:
    """Raises SettingsError for a switch that the method does not read, or for 'fused' where only PyTorch computes."""
    others = readers(searches=method.searches)
    refuse_switches(settings, method.differs, method.reads, method.name, others)
    if engine == "fused":
        refuse(["engine"], {"engine": ENGINE}, method.reads, method.name, others)
