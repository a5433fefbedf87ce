"""How runs that have not ended go on, in the words of an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tnas_cli.errors import DivergedError, Interrupted, LostRankError, WriteError
from tnas_cli.runs.interrupt import StoppedError
from tnas_cli.spelling import command


def resume_command(run: Path) -> str:
    """The command that continues a run, quoted for a shell."""
    return command("tnas", "resume", run)


def continuation(*runs: Path) -> str:
    """How runs that have not ended go on."""
    return f"continue {'with' if len(runs) == 1 else 'each'}: {'; '.join(map(resume_command, runs))}"


@contextmanager
def interrupted_with(*runs: Path) -> Iterator[None]:
    """A stop inside the block becomes Interrupted, which says how to continue; a file that cannot be written says so,
    too. A divergence says what is kept: going on would repeat it."""
    where = str(runs[0]) if len(runs) == 1 else f"{len(runs)} runs"
    try:
        yield
    except (KeyboardInterrupt, StoppedError):
        raise Interrupted(f"stopped; everything so far is saved in {where}.", hint=continuation(*runs)) from None
    except LostRankError as error:
        what = f"{error.message} Everything up to the last step is saved in {where}."
        raise LostRankError(what, hint=f"{error.hint}; {continuation(*runs)}") from None
    except WriteError as error:
        raise WriteError(error.message, hint=f"{error.hint}, then {continuation(*runs)}") from error
    except DivergedError as error:
        keep = f"{', '.join(map(str, runs))} {'keeps' if len(runs) == 1 else 'keep'}"
        raise error.advised(f"{error.hint}; {keep} what was saved before") from error
