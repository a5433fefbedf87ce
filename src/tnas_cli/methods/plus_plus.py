"""MAML++ (Antoniou et al., 2019) on a fixed network, and T-NAS++, the same on the search network with theta.

Each piece is a setting of its own: learned_rates, multi_step, step_norms, cosine_to, order 'annealed', ensemble.
"""

from __future__ import annotations

from dataclasses import replace

from tnas_cli.engines.interface import Engine, Network
from tnas_cli.methods.meta_learn import MetaState
from tnas_cli.methods.unrolled import RATE, InnerLoop, Unrolled
from tnas_cli.settings.few_shot import SearchSettings, TrainSettings
from tnas_cli.spaces.parameters import THETA
from tnas_cli.update.outer import AdamRule, adam

#: Gradients go through the inner steps from a third of the training on: 50 of the 150 epochs published.
ANNEALED_FROM = 1 / 3

Settings = SearchSettings | TrainSettings


def inner_loop(settings: Settings) -> InnerLoop:
    """The inner loop that the settings describe."""
    return InnerLoop(
        alpha=settings.alpha_inner,
        steps=settings.inner_steps,
        test_steps=settings.test_steps,
        beta=settings.beta_inner if isinstance(settings, SearchSettings) else 0.0,
        learned_rates=settings.learned_rates,
        step_norms=settings.step_norms,
        multi_step=settings.multi_step,
        second_order_from={"first": 1.0, "second": 0.0, "annealed": ANNEALED_FROM}[settings.order],
    )


def extended(state: MetaState, loop: InnerLoop, settings: Settings) -> MetaState:
    """A method's start with what the inner loop learns beside the network's parameters.

    Rates are learned as multiples of their base. Adam moves them so that a rate of w changes as fast as it would if it
    were learned itself (`alpha_outer` per step); those of theta change by the same share.
    """
    parameters = loop.begin(state.parameters)
    general = AdamRule(settings.alpha_outer)
    rules = {
        name: AdamRule(settings.alpha_outer / settings.alpha_inner) for name in parameters if name.startswith(RATE)
    }
    if isinstance(settings, SearchSettings):
        rules[THETA] = AdamRule(settings.beta_outer, settings.theta_betas, settings.theta_weight_decay)
    return replace(state, parameters=parameters, optimiser=adam(parameters, rules, general))


def learner(engine: Engine, network: Network, settings: Settings) -> Unrolled:
    """The learner that the settings describe."""
    return Unrolled(engine, network, inner_loop(settings))
