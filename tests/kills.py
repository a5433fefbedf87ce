"""Kill every command at many moments, continue it, and compare with an undisturbed one: `python tests/kills.py`.

Ways: `random` and `border` send SIGKILL at random moments, and at each write, rename, fsync and other call that changes
the disk. `INT`, `TERM` and `HUP` send these signals, at random moments and at calls, sometimes twice. `power` makes the
disk as a power cut may leave it after each call. Prints a table: command, way, trials, how many of them were continued
(from a folder that equals an earlier trial's it would be the same once more), found; exit code 1 if anything was found.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

if __package__ in (None, ""):  # called as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.killing.disk import STATES, Cut, Disk, build
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
        self.right: set[bytes] = set()
        self.continuations = 0
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
            yield self._at_moment(KILL)

    def at_borders(self) -> Iterator[Found]:
        for number in self._some(range(1, self.wanted.borders + 1)):
            yield self._at_call(KILL, number)

    def signals(self, number: int) -> Iterator[Found]:
        """Half at random moments and half at calls; of each, every third time the signal comes twice."""
        for trial in range(self.most):
            twice = trial % 3 == 0
            if trial % 2 or not self.wanted.borders:  # a command may write to stdout alone
                yield self._at_moment(number, twice)
            else:
                call = self.random.randint(1, self.wanted.borders)
                again = call + self.random.randint(1, 5) if twice else None
                yield self._at_call(number, call, again)

    def _at_call(self, number: int, call: int, again: int | None = None) -> Found:
        wrong = self._trial(hook=killed_at(self.root, call, number, again), number=number, once=again is None)
        assert wrong is not None
        return f"at call {call}" + ("" if again is None else f" and {again}"), wrong

    def _at_moment(self, number: int, twice: bool = False) -> Found:
        """A trial at a random moment, drawn again where the command was faster."""
        wrong = None
        while wrong is None:
            moments = [self.random.uniform(0, self.wanted.seconds)]
            moments += [moments[0] + self.random.uniform(0, 0.1)] if twice else []
            wrong = self._trial(at=[(moment, number) for moment in moments], number=number, once=not twice)
        return " and ".join(f"after {moment:.4f} s" for moment in moments), wrong

    def power(self) -> Iterator[Found]:
        """The states of the disk after each call: all come from one recording, and each is tried once."""
        if not self.job.alone:
            return
        fresh(self.root, self.job)
        disk, cuts = Disk(self.root), dict[Cut, str]()
        for done in disk.replay(self.wanted.calls):
            for state in STATES:
                cuts.setdefault(disk.cut(state), f"after call {done}, {state}")
        found = list(cuts.items())
        for number in self._some(range(len(found))):
            cut, where = found[number]
            shutil.rmtree(self.root)
            build(cut, self.root)
            yield where, self._continued()

    def _some(self, numbers: Sequence[int]) -> list[int]:
        return list(numbers) if len(numbers) <= self.most else sorted(self.random.sample(numbers, self.most))

    def _trial(
        self,
        hook: Callable[[], None] = lambda: None,
        at: Sequence[tuple[float, int]] = (),
        number: int = KILL,
        once: bool = False,
    ) -> list[str] | None:
        """What is wrong after a command was stopped, if anything; None if it ended before."""
        fresh(self.root, self.job)
        ended = run(self.root, self.job.arguments, stdin=self.job.stdin, hook=hook, at=at, alone=self.job.alone)
        if ended.missed:
            return None
        wrong = printed_before(ended, self.wanted)
        if number != KILL:
            if ended.code not in (0, 130):
                wrong.append(f"the signal ends it with {ended.code}: {ended.stderr.strip().splitlines()[-3:]}")
            left = [str(path.relative_to(self.root)) for path in self.root.rglob(".*")]
            if once and left:
                wrong.append(f"left after the signal: {left}")
        return wrong + self._continued()

    def _continued(self) -> list[str]:
        """What is wrong after the command went on; not tried again from a folder that equals one from which all was
        right."""
        known = hashlib.sha256(repr(facts(self.root)).encode()).digest()
        if self.job.alone and known in self.right:  # side by side, a process that was left might tell them apart
            return []
        self.continuations += 1
        wrong = continued(self.root, self.job, self.wanted)
        if not wrong:
            self.right.add(known)
        return wrong


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
            print(f"{'command':<28}{'way':<8}{'trials':>7}{'continued':>11}{'found':>7}", flush=True)
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
                found += report(kills, way)
    return 1 if found else 0


def report(kills: Kills, way: str) -> int:
    """Print a row of the table, and a line for each trial that found something; returns how many did."""
    count, found, before = 0, [], kills.continuations
    for where, wrong in kills.way(way):
        count += 1
        if wrong:
            found.append(f"  {where}: {'; '.join(wrong)}")
    continuations = kills.continuations - before
    print(f"{kills.job.name:<28}{way:<8}{count:>7}{continuations:>11}{len(found):>7}", flush=True)
    for line in found:
        print(line, flush=True)
    return len(found)


if __name__ == "__main__":
    sys.exit(main())
