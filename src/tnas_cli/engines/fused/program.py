"""A network that can be run on tasks: plans for each number of images, and the passes of a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from tnas_cli.engines.fused.description import Description
from tnas_cli.engines.fused.driver import TAKEN
from tnas_cli.engines.fused.kept import MOST_KEPT, Kept, Spare
from tnas_cli.engines.fused.library import Library
from tnas_cli.engines.fused.network import NetworkPlan, plan_network
from tnas_cli.engines.fused.norms import FIELDS, REFERENCE, SQUARES, SUM
from tnas_cli.engines.fused.plan import Norm, Target
from tnas_cli.engines.fused.workers import Workers


@dataclass(frozen=True)
class Steps:
    """Inner steps: how many, the rates of w and theta, and whether theta follows w (Equation 5) or moves with it."""

    count: int
    alpha: float
    beta: float
    alternating: bool = False


#: What a plan is made for: images, whether moments are given, support images in front of them, shares.
Key = tuple[int, bool, int, int]


@dataclass(frozen=True)
class Ready:
    """A plan with the addresses of its kernels."""

    plan: NetworkPlan
    table: np.ndarray


def shares_of(images: int, side: int, *, alone: bool) -> int:
    """Into how many shares so many images are divided: as many threads at most compute them at the same time.

    Each share costs calls and gradients of its own: 2% of a pass of 75 images of 28 pixels, but 10% of one of five:
    those are divided only for a task that is `alone`.
    """
    pixels = images * side**2
    if pixels < FEW_PIXELS and not alone:
        return 1
    return min(images, 2 if pixels < MANY_PIXELS else 4)


FEW_PIXELS, MANY_PIXELS = 50_000, 200_000


def key_of(images: int, side: int, *, given_moments: bool = False, support: int = 0, alone: bool = False) -> Key:
    """What a plan for so many images is made for."""
    shares = 1 if given_moments else shares_of(support + images, side, alone=alone)
    return images, given_moments, support, shares


def usual_keys(images: Iterable[int], answered: int, side: int) -> set[Key]:
    """Plans for these numbers of images, and for `answered` images with given moments."""
    keys = {key_of(count, side, alone=alone) for count in images for alone in (False, True)}
    return keys | {key_of(answered, side, given_moments=True)}


def planned(what: Description, side: int, target: Target, key: Key, guard: int = 0) -> NetworkPlan:
    """The plan that a key names."""
    images, given_moments, support, shares = key
    return plan_network(what, images, side, target, guard, given_moments=given_moments, support=support, shares=shares)


class Program:
    """One network for images of `side` pixels. Images are [N, C, side, side], parameters flat in the tensors' order."""

    def __init__(
        self, what: Description, side: int, target: Target, library: Library, workers: Workers, guard: int = 0
    ) -> None:
        self.what, self.side, self.target, self.library, self.workers = what, side, target, library, workers
        self.guard = guard
        self.layout = what.layout(side)
        self.dtype = library.dtype
        self._ready: dict[Key, Ready] = {}
        self._spare = Spare()

    def prepare(self, images: Iterable[int], answered: int) -> None:
        """Compile what plans for these numbers of images need, and for `answered` images with given moments."""
        keys = usual_keys(images, answered, self.side)
        plans = {key: self._planned(key) for key in sorted(keys - self._ready.keys())}
        self.library.table(dict.fromkeys(kernel for plan in plans.values() for kernel in plan.kernels))
        for key, plan in plans.items():
            self._ready[key] = Ready(plan, self.library.table(plan.kernels))

    def ready(self, images: int, *, given_moments: bool = False, support: int = 0, alone: bool = False) -> Ready:
        """The plan for a number of images, as `plan_network` has it; kernels that it needs are compiled now.

        alone: for a task that is often the only one, so that also a few images are divided.
        """
        key = key_of(images, self.side, given_moments=given_moments, support=support, alone=alone)
        if key not in self._ready:
            plan = self._planned(key)
            self._ready[key] = Ready(plan, self.library.table(plan.kernels))
        return self._ready[key]

    def _planned(self, key: Key) -> NetworkPlan:
        return planned(self.what, self.side, self.target, key, self.guard)

    def meta_gradients(
        self,
        parameters: np.ndarray,
        support: tuple[np.ndarray, np.ndarray],
        query: tuple[np.ndarray, np.ndarray],
        steps: Steps,
        *,
        by_support: bool = False,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Equation 8 for tasks side by side: the gradient summed over them [P], losses [T], query logits [T, Q, way].

        parameters [P]; support and query are (images [T, N, C, H, W], labels [T, N]). by_support: for the query images
        every norm takes its moments from the support images.
        """
        start = self.layout.pack(parameters)
        count = support[0].shape[1]
        here = self.ready(count)
        there = self.ready(query[0].shape[1], support=count if by_support else 0)

        def task(index: int) -> tuple[np.ndarray, float, np.ndarray]:
            mem = self._begin(start, max(here.plan.size, there.plan.size))
            self._adapt(mem, here, (support[0][index], support[1][index]), steps)
            measured = support[0][index] if by_support else None
            self._put_images(mem, there.plan, query[0][index], query[1][index], measured)
            (loss,) = self._run(mem, there, 0, there.plan.backward)
            gradient = mem[there.plan.gradients :][: self.layout.size].copy()
            return gradient, loss, self._logits(mem, there.plan)

        found = self.workers.map(task, len(support[0]))
        total = np.zeros(self.layout.size, self.dtype)
        for gradient, _, _ in found:
            total += gradient
        losses = np.array([loss for _, loss, _ in found], self.dtype)
        return self.layout.unpack(total), losses, np.stack([logits for _, _, logits in found])

    def adapted(
        self, parameters: np.ndarray, support: tuple[np.ndarray, np.ndarray], steps: Steps
    ) -> tuple[np.ndarray, np.ndarray]:
        """Each task's parameters after its steps [T, P], and its losses before each step and after the last."""
        start, here = self.layout.pack(parameters), self.ready(support[0].shape[1], alone=True)

        def task(index: int) -> tuple[np.ndarray, list[float]]:
            mem = self._begin(start, here.plan.size)
            losses = self._adapt(mem, here, (support[0][index], support[1][index]), steps)
            losses += self._run(mem, here, 0, here.plan.forward)
            own = mem[here.plan.parameters :][: self.layout.size]
            return self.layout.unpack(own), losses

        found = self.workers.map(task, len(support[0]))
        return np.stack([own for own, _ in found]), np.array([losses for _, losses in found], self.dtype)

    def gradients(
        self, parameters: np.ndarray, labelled: tuple[np.ndarray, np.ndarray], support_x: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Each task's gradient of its own loss at its own parameters [T, P], losses [T], and logits [T, N, way].

        support_x [T, S, C, H, W]: images from which every norm takes its moments instead.
        """
        here = self.ready(labelled[0].shape[1], support=0 if support_x is None else support_x.shape[1])

        def task(index: int) -> tuple[np.ndarray, float, np.ndarray]:
            mem = self._begin(self.layout.pack(parameters[index]), here.plan.size)
            first = None if support_x is None else support_x[index]
            self._put_images(mem, here.plan, labelled[0][index], labelled[1][index], first)
            (loss,) = self._run(mem, here, 0, here.plan.backward)
            own = self.layout.unpack(mem[here.plan.gradients :][: self.layout.size])
            return own, loss, self._logits(mem, here.plan)

        found = self.workers.map(task, len(labelled[0]))
        own, losses, logits = zip(*found, strict=True)
        return np.stack(own), np.array(losses, self.dtype), np.stack(logits)

    def logits(self, parameters: np.ndarray, images: np.ndarray) -> np.ndarray:
        """Logits [T, N, way] of images [T, N, C, H, W] at each task's parameters [T, P]."""
        here = self.ready(images.shape[1], alone=True)

        def task(index: int) -> np.ndarray:
            mem = self._begin(self.layout.pack(parameters[index]), here.plan.size)
            self._forward(mem, here, images[index])
            return self._logits(mem, here.plan)

        return np.stack(self.workers.map(task, len(images)))

    def features(self, parameters: np.ndarray, images: np.ndarray) -> np.ndarray:
        """What the classifier sees [T, N, F] of images [T, N, C, H, W] at each task's parameters [T, P]."""
        here, order = self.ready(images.shape[1]), self.layout.inputs_of("classifier.weight")

        def task(index: int) -> np.ndarray:
            mem = self._begin(self.layout.pack(parameters[index]), here.plan.size)
            self._forward(mem, here, images[index])
            return np.take(self._features(mem, here.plan, len(order)), order, axis=1)

        return np.stack(self.workers.map(task, len(images)))

    def embedded(self, parameters: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, Kept]:
        """The same features, and what their gradient needs."""
        here, order = self.ready(images.shape[1]), self.layout.inputs_of("classifier.weight")
        kept = self._kept(here.plan.size, len(images))

        def task(index: int) -> np.ndarray:
            mem = self._begin(self.layout.pack(parameters[index]), here.plan.size, kept.memories[index])
            self._put_images(mem, here.plan, images[index], np.zeros(here.plan.count, np.int64))
            self._run(mem, here, 0, here.plan.embedded)
            return np.take(self._features(mem, here.plan, len(order)), order, axis=1)

        return np.stack(self.workers.map(task, len(images))), kept

    def embedding_gradients(
        self, parameters: np.ndarray, images: np.ndarray, kept: Kept, gradients: np.ndarray
    ) -> np.ndarray:
        """From the gradient [T, N, F] of a loss with respect to features, that with respect to parameters [T, P]."""
        here, order = self.ready(images.shape[1]), self.layout.inputs_of("classifier.weight")

        def task(index: int) -> np.ndarray:
            mem = kept.memories[index]
            if mem is None:  # computed again, since keeping it would take too much memory
                mem = self._begin(self.layout.pack(parameters[index]), here.plan.size)
                self._put_images(mem, here.plan, images[index], np.zeros(here.plan.count, np.int64))
                self._run(mem, here, 0, here.plan.embedded)
            given = mem[here.plan.feature_gradients :][: gradients[index].size].reshape(gradients[index].shape)
            given[:, order] = gradients[index]
            self._run(mem, here, here.plan.by_features, here.plan.backward)
            return self.layout.unpack(mem[here.plan.gradients :][: self.layout.size])

        return np.stack(self.workers.map(task, len(images)))

    def moments(self, parameters: np.ndarray, images: np.ndarray) -> np.ndarray:
        """For each task [T, M]: the moments that images [T, N, C, H, W] give every norm at its parameters [T, P].

        They stand norm by norm: a reference, the mean distance to it, and the mean of that distance's square.
        """
        here = self.ready(images.shape[1])

        def task(index: int) -> np.ndarray:
            mem = self._begin(self.layout.pack(parameters[index]), here.plan.size)
            self._forward(mem, here, images[index])
            found = []
            for norm in here.plan.norms:
                record = _fields(mem, norm)
                found += [record[REFERENCE], record[SUM] / norm.pixels, record[SQUARES] / norm.pixels]
            return np.concatenate(found)

        return np.stack(self.workers.map(task, len(images)))

    def answers(self, parameters: np.ndarray, moments: np.ndarray, images: np.ndarray, size: int) -> np.ndarray:
        """Logits [T, N, way] of images [T, N, C, H, W] at parameters [T, P] and moments [T, M].

        `size` of them are computed at a time, always as many: what an image gets depends on no other image, to the last
        bit.
        """
        here = self.ready(size, given_moments=True)
        tasks, count = images.shape[:2]
        jobs = [(index, first) for index in range(tasks) for first in range(0, count, size)]

        def answered(number: int) -> np.ndarray:
            index, first = jobs[number]
            mem = self._begin(self.layout.pack(parameters[index]), here.plan.size)
            at = 0
            for norm in here.plan.norms:
                given = moments[index, at : at + 3 * norm.channels].reshape(3, norm.channels)
                _fields(mem, norm)[[REFERENCE, SUM, SQUARES]] = given
                at += given.size
            these = np.zeros((size, *images.shape[2:]), self.dtype)
            these[: min(size, count - first)] = images[index, first : first + size]
            self._forward(mem, here, these)
            return self._logits(mem, here.plan)

        found = np.stack(self.workers.map(answered, len(jobs)))  # [jobs, size, way]
        return found.reshape(tasks, -1, found.shape[-1])[:, :count]

    # -- inside a worker --------------------------------------------------------------------------------------------

    def _kept(self, size: int, tasks: int) -> Kept:
        """Memories of `size` numbers for tasks that are computed back later; None for each where they are too large."""
        if tasks * size * np.dtype(self.dtype).itemsize > MOST_KEPT:
            return Kept(None, [None] * tasks)
        return Kept(self._spare, [self._spare.take(size, self.dtype) for _ in range(tasks)])

    def _begin(self, parameters: np.ndarray, size: int, mem: np.ndarray | None = None) -> np.ndarray:
        """A memory, or the thread's own, with parameters, and gradients of zero."""
        mem = self.workers.memory(size, self.dtype) if mem is None else mem
        any_plan = next(iter(self._ready.values())).plan  # all plans begin alike
        mem[any_plan.parameters :][: self.layout.size] = parameters
        mem[any_plan.gradients :][: self.layout.size] = 0
        return mem

    def _adapt(self, mem: np.ndarray, here: Ready, support: tuple[np.ndarray, np.ndarray], steps: Steps) -> list[float]:
        """The inner steps; the support loss before each."""
        plan = here.plan
        self._put_images(mem, plan, *support)
        mem[plan.rates : plan.rates + 2] = steps.alpha, steps.beta
        if not steps.alternating:
            return self._run(mem, here, 0, plan.end, steps.count)
        losses = []
        for _ in range(steps.count):
            losses += self._run(mem, here, 0, plan.step_w)
            mem[plan.gradients :][: self.layout.size] = 0
            self._run(mem, here, 0, plan.backward)
            self._run(mem, here, plan.step_w, plan.end)
            mem[plan.gradients :][: self.layout.size] = 0
        return losses

    def _forward(self, mem: np.ndarray, here: Ready, images: np.ndarray) -> None:
        """A pass of images [N, C, H, W] whose labels do not matter."""
        self._put_images(mem, here.plan, images, np.zeros(len(images), np.int64))
        self._run(mem, here, 0, here.plan.forward)

    def _put_images(
        self,
        mem: np.ndarray,
        plan: NetworkPlan,
        images: np.ndarray,
        labels: np.ndarray,
        support: np.ndarray | None = None,
    ) -> None:
        """Images [N, C, H, W] into the plan's padded buffer, channels last, after support images where the plan has
        some; labels beside them; and zeros where shares of them add up their gradients."""
        for at in plan.more_gradients:  # which each plan has at places of its own
            mem[at:][: self.layout.size] = 0
        if support is not None:
            images = np.concatenate([support, images])
        view, item = plan.images, mem.itemsize
        count, channels, height, width = images.shape
        before = view.row + view.pixel
        mem[view.at - before : view.at + count * view.image] = 0
        strides = tuple(step * item for step in (view.image, view.row, view.pixel, 1))
        inside = np.lib.stride_tricks.as_strided(mem[view.at :], (count, height, width, channels), strides)
        for channel in range(channels):  # a third of the time that one transposed copy takes
            inside[..., channel] = images[:, channel]
        mem[plan.labels : plan.labels + len(labels)] = labels

    def _run(self, mem: np.ndarray, here: Ready, begin: int, end: int, times: int = 1) -> list[float]:
        """Phases begin ... end - 1, so many times, with the threads that are free; the loss after each time."""
        losses = np.zeros(times)
        self.workers.together(self._run_part(mem, here, begin, end, losses), here.plan.arrays.shares)
        self.workers.check()
        return [float(loss) for loss in losses]

    def _run_part(
        self, mem: np.ndarray, here: Ready, begin: int, end: int, losses: np.ndarray
    ) -> Callable[[int, int], None]:
        """What each member of a group of threads calls once, with its number and how many they are; one is enough."""
        lists, shares, times = here.plan.arrays, here.plan.arrays.shares, len(losses)
        team = np.zeros(TAKEN + times * (end - begin) * shares, np.int64)
        before = [array.ctypes.data for array in (mem, lists.code, lists.rows, lists.phases)]
        behind = [array.ctypes.data for array in (here.table, self.workers.stop, team)]

        def part(member: int, members: int, kept: tuple[np.ndarray, np.ndarray] = (team, losses)) -> None:
            at = here.plan.loss, losses.ctypes.data, member * shares // members
            self.library.run(*before, shares, begin, end, times, *behind, *at)

        return part

    def _features(self, mem: np.ndarray, plan: NetworkPlan, length: int) -> np.ndarray:
        return mem[plan.features :][: plan.count * length].reshape(plan.count, length)

    def _logits(self, mem: np.ndarray, plan: NetworkPlan) -> np.ndarray:
        way = self.what.way
        return mem[plan.logits :][: plan.count * way].reshape(plan.count, way).copy()


def _fields(mem: np.ndarray, norm: Norm) -> np.ndarray:
    """A norm's record [fields, channels] in memory."""
    return mem[norm.record :][: FIELDS * norm.channels].reshape(FIELDS, norm.channels)
