"""The default outer optimiser of a method: Adam, with a rule for each kind of meta-parameter."""

from __future__ import annotations

import torch

from tnas_cli.methods.unrolled import RATE
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.parameters import THETA, Parameters
from tnas_cli.update.outer import AdamRule, adam


def outer_adam(parameters: Parameters, settings: SearchSettings | TrainSettings) -> torch.optim.Optimizer:
    """Adam on all meta-parameters: theta by the settings' rule for it, w at alpha_outer.

    Inner rates are learned as multiples of their base. A rate of w changes as fast as it would if it were learned
    directly (`alpha_outer` per step); those of theta change by the same share.
    """
    rules = {
        name: AdamRule(settings.alpha_outer / settings.alpha_inner) for name in parameters if name.startswith(RATE)
    }
    if isinstance(settings, SearchSettings):
        rules[THETA] = AdamRule(settings.beta_outer, settings.theta_betas, settings.theta_weight_decay)
    return adam(parameters, rules, AdamRule(settings.alpha_outer))
