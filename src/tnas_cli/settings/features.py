"""The machinery that settings belong to: a field names one, and a method or a kind of weights says which it reads.

An option whose machinery is not read is refused, since it would have no effect.
"""

from __future__ import annotations

from typing import Final

#: Inner steps of a task, on its support set: inner_steps, test_steps, statistics.
INNER_LOOP: Final = "inner loop"

#: A rate of the inner steps, where nothing learned takes its place: alpha_inner.
INNER_RATE: Final = "inner rate"

#: A linear layer that is learned as a start for the inner steps, and could be zero: head.
HEAD: Final = "start of the linear layer"

#: theta changes within a task too: beta_inner.
INNER_THETA: Final = "theta in the inner loop"

#: The choice between Equation 5 and Equation 7: alternating.
ALTERNATING: Final = "alternating inner steps"

#: Whether gradients go through the inner steps: order.
ORDER: Final = "order of the outer gradient"

#: Inner rates that are learned per step or per weight, as the user chooses: learned_rates.
LEARNED_RATES: Final = "learned inner rates"

#: MAML++'s inner loop: step_norms, multi_step, and order 'annealed'.
PIECES: Final = "pieces of MAML++"

#: The outer step of w over meta-batches of tasks: alpha_outer, meta_batch, reduction, cosine_to, tasks, hours, ...
OUTER_LOOP: Final = "outer loop"

#: The outer step of theta: beta_outer, theta_betas, theta_weight_decay.
OUTER_THETA: Final = "theta in the outer loop"

#: Several checkpoints answer together: ensemble.
ENSEMBLE: Final = "ensemble of checkpoints"

#: A network made of cells: channels and, where one is searched, nodes.
CELLS: Final = "cells"

#: A phase before the meta-learning, on all training classes: pretrain.
PRETRAINING: Final = "pre-training"

#: Tasks of the classes that were answered worst: hard_tasks.
HARD_TASKS: Final = "hard tasks"

#: An engine computes the tasks: --engine.
ENGINE: Final = "choice of engine"

#: A meta-architecture is adapted to larger tasks (Section 5.3): steps, adapt_batch.
ADAPTATION: Final = "adaptation of a meta-architecture"

#: DARTS searches on single tasks (Section 5.3): search_epochs, search_batch, search_rate, theta_rate, order, ...
DARTS: Final = "search by DARTS"

#: Several genotypes for a task (Section 5.3): genotypes.
SEVERAL_GENOTYPES: Final = "several genotypes for a task"

#: The training of fixed networks from scratch: which method, and several of them (seeds, limit, side by side, dry run).
SCRATCH: Final = "training from scratch"

#: A folder of a run: runs, seeds (each in a run of its own), tensorboard.
RUN: Final = "run"

#: A log with a line per step: tensorboard.
STEPS_LOG: Final = "log of steps"

#: Weights that the search learned: checkpoint, all_tasks, paths.
INHERITANCE: Final = "inherited weights"

#: Test tasks that are the same for all networks: test_tasks.
TEST_TASKS: Final = "common test tasks"

#: What measuring inherited weights reads, whether on a genotype's own test tasks or on all.
INHERITED_READS: Final = frozenset({INHERITANCE, OUTER_LOOP, CELLS, ENGINE})

#: What a training from scratch reads besides what its method reads.
SCRATCH_READS: Final = frozenset({SCRATCH, TEST_TASKS})

#: What each way to an architecture reads in Section 5.3.
SUPERVISED_READS: Final[dict[str, frozenset[str]]] = {
    "t-nas": frozenset({ADAPTATION}),
    "s1": frozenset({DARTS}),
    "s2": frozenset({DARTS, SEVERAL_GENOTYPES}),
    "random": frozenset({SEVERAL_GENOTYPES}),
    "given": frozenset(),
}
