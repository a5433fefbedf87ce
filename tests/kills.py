"""Kill every command at many moments, continue it, and compare with an undisturbed one: `python tests/kills.py`.

Ways: `random` and `border` send SIGKILL at random moments, and at each write, rename, fsync and other call that changes
the disk. `INT`, `TERM` and `HUP` send these signals, at random moments and at calls, sometimes twice. `power` makes the
disk as a power cut may leave it after each call. Prints a table: command, way, trials, found; exit code 1 if anything
was found.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

if __package__ in (None, ""):  # called as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.killing.disk import STATES, Disk
from tests.killing.jobs import Job, jobs
from tests.killing.same import facts
from tests.killing.trials import (
    Undisturbed,
    continued,
    fresh,
    killed_at,
    printed_before,
    run,
    undisturbed,
    warm,
)

KILL = signal.SIGKILL
SIGNALS = {"INT": signal.SIGINT, "TERM": signal.SIGTERM, "HUP": signal.SIGHUP}
WAYS = ("random", "border", *SIGNALS, "power")

Found = tuple[str, list[str]]


class Kills:
    """All trials of one command; `most` of each way."""

    def __init__(self, root: Path, job: Job, most: int, seed: int) -> None:
        self.root, self.job, self.most = root, job, most
        self.random = random.Random(f"{seed} {job.name}")
        warm(root, job)
        self.wanted: Undisturbed = undisturbed(root, job)

    def way(self, name: str) -> Iterator[Found]:
        """Each trial of a way: where it was stopped, and what was wrong afterwards."""
        if name in SIGNALS:
            return self.signals(SIGNALS[name])
        ways: dict[str, Callable[[], Iterator[Found]]] = {
            "random": self.at_random,
            "border": self.at_borders,
            "power": self.power,
        }
        return ways[name]()

    def at_random(self) -> Iterator[Found]:
        for _ in range(self.most):
            seconds = self.random.uniform(0, self.wanted.seconds)
            yield f"after {seconds:.3f} s", self._trial(at=[(seconds, KILL)])

    def at_borders(self) -> Iterator[Found]:
        for number in self._some(range(1, self.wanted.borders + 1)):
            yield f"at call {number}", self._trial(hook=killed_at(self.root, number, KILL))

    def signals(self, number: int) -> Iterator[Found]:
        """Half at random moments and half at calls; of each, every third time the signal comes twice."""
        for trial in range(self.most):
            twice = trial % 3 == 0
            if trial % 2 or not self.wanted.borders:  # a command may write to stdout alone
                seconds = self.random.uniform(0, self.wanted.seconds)
                moments = [(seconds, number)]
                moments += [(seconds + self.random.uniform(0, 0.1), number)] if twice else []
                yield f"after {moments}", self._trial(at=moments, number=number, once=not twice)
            else:
                call = self.random.randint(1, self.wanted.borders)
                again = call + self.random.randint(1, 5) if twice else None
                hook = killed_at(self.root, call, number, again)
                yield f"at call {call} and {again}", self._trial(hook=hook, number=number, once=not twice)

    def power(self) -> Iterator[Found]:
        """After each call, each state of the disk that was not tried yet."""
        if not self.job.alone:
            return
        fresh(self.root, self.job)
        disk, tried = Disk(self.root), set[str]()
        for done in disk.replay(self.wanted.calls):
            for state in STATES:
                if len(tried) > self.most * len(STATES) or not self._is_chosen(done):
                    continue
                shutil.rmtree(self.root)
                disk.build(self.root, state)
                known = repr(sorted(facts(self.root).items()))
                if known in tried:
                    continue
                tried.add(known)
                yield f"after call {done}, {state}", self._power_trial()

    def _power_trial(self) -> list[str]:
        return continued(self.root, self.job, self.wanted)

    def _is_chosen(self, done: int) -> bool:
        """Whether a beginning is among those that are tried, evenly over all."""
        calls = len(self.wanted.calls)
        return calls <= self.most or done * self.most // calls != (done - 1) * self.most // calls

    def _some(self, numbers: Sequence[int]) -> list[int]:
        return list(numbers) if len(numbers) <= self.most else sorted(self.random.sample(numbers, self.most))

    def _trial(
        self,
        hook: Callable[[], None] = lambda: None,
        at: Sequence[tuple[float, int]] = (),
        number: int = KILL,
        once: bool = False,
    ) -> list[str]:
        fresh(self.root, self.job)
        ended = run(self.root, self.job.arguments, stdin=self.job.stdin, hook=hook, at=at)
        wrong = printed_before(ended, self.wanted)
        if number != KILL:
            if ended.code not in (0, 130):
                wrong.append(f"the signal ends it with {ended.code}: {ended.stderr.strip().splitlines()[-3:]}")
            left = [str(path.relative_to(self.root)) for path in self.root.rglob(".*")]
            if once and left:
                wrong.append(f"left after the signal: {left}")
        return wrong + continued(self.root, self.job, self.wanted, ended_well=ended.code == 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Everything that is asked for; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--most", type=int, default=50, help="trials of each way (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="decides the random moments")
    parser.add_argument("--commands", nargs="+", default=[], help="only commands that begin with one of these")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--list", action="store_true", help="list the commands")
    asked = parser.parse_args(arguments)
    found, seen = 0, set[str]()
    memory = Path("/dev/shm")  # where there is one: nothing else takes so long as flushing
    with tempfile.TemporaryDirectory(prefix="tnas-kills-", dir=memory if memory.is_dir() else None) as folder:
        base = Path(folder).resolve() / "base"
        base.mkdir()
        if not asked.list:
            print(f"{'command':<28}{'way':<8}{'trials':>7}{'found':>7}", flush=True)
        for job in jobs(base):
            wanted = {words for words in asked.commands if job.name.startswith(words)}
            if asked.commands and not wanted:
                if seen == set(asked.commands):
                    break  # the inputs of the others need not be made
                continue
            seen |= wanted
            if asked.list:
                print(job.name)
                continue
            kills = Kills(base.parent / "trial" / "root", job, asked.most, asked.seed)
            for way in asked.ways:
                found += report(job.name, way, kills.way(way))
    return 1 if found else 0


def report(name: str, way: str, trials: Iterator[Found]) -> int:
    """Print a row of the table, and a line for each trial that found something; returns how many did."""
    count, found = 0, []
    for where, wrong in trials:
        count += 1
        if wrong:
            found.append(f"  {where}: {'; '.join(wrong)}")
    print(f"{name:<28}{way:<8}{count:>7}{len(found):>7}", flush=True)
    for line in found:
        print(line, flush=True)
    return len(found)


if __name__ == "__main__":
    sys.exit(main())
