"""What shells complete: from a table that agrees with the commands, at once, and in the form of each shell."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.completion import get_completion_script

from tnas_cli.cli.complete import answer, completions


def found(line: str) -> list[str]:
    """The completions of a line; its last word is begun."""
    *before, begun = line.split(" ")
    return [word for word, _ in completions(before, begun)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sear", ["search"]),
        ("--ver", ["--version"]),
        ("search --dataset omni", ["omniglot"]),
        ("search -d fc", ["fc100"]),
        ("prepare-data mini", ["mini-imagenet"]),
        ("search --method t-nas", ["t-nas", "t-nas++"]),
        ("train-eval --method proto", ["protonets"]),
        ("train-eval DARTS", ["DARTS_V1", "DARTS_V2"]),
        ("search --order ", ["first", "second", "annealed"]),
        ("adapt omni", ["omniglot-5w1s", "omniglot-5w1s-search"]),
        ("search --dry", ["--dry-run"]),
        ("search --theta-betas 0.5 0", []),
        ("search --theta-betas 0.5 0.9 --dataset omni", ["omniglot"]),
        ("decode --picture x.s", []),
        ("no-such-command x", []),
        ("search no-argument", []),
    ],
)
def test_words(line: str, expected: list[str]) -> None:
    assert found(line) == expected


def test_methods_are_those_of_the_command() -> None:
    assert "auto-maml" in found("search --method ") and "auto-maml" not in found("train-eval --method ")


def test_runs_are_found_in_their_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert found("resume ") == []
    for name in ("runs/a-1", "runs/a-2", "runs/b $(touch x)", "runs/.hidden", "other/c-1"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "run.json").write_text("{}")
    (tmp_path / "runs" / "not-a-run").mkdir()
    (tmp_path / "runs" / "a-program").mkdir()
    (tmp_path / "runs" / "a-program" / "environment.json").write_text("{}")
    assert found("resume ") == found("watch runs/a") == ["runs/a-1", "runs/a-2"]
    assert found("report runs/a-1 other/") == ["other/c-1"]
    assert found("adapt --from runs/a-2") == ["runs/a-2"]


def test_nothing_but_the_standard_library_is_imported() -> None:
    code = (
        "import sys\nfrom tnas_cli.cli.complete import answer\n"
        "answer('complete_bash', {'COMP_WORDS': 'tnas search --dataset omni', 'COMP_CWORD': '3'})\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names) - {'tnas_cli'}))\n"
        "print(len([name for name in sys.modules if name.startswith('tnas_cli')]))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.splitlines() == ["omniglot", "__main__", "6"]


def test_another_shell_is_left_to_typer() -> None:
    assert answer("complete_powershell", {}) is None


SHELLS = {
    "bash": "COMP_WORDS=({words}); COMP_CWORD={last}; _tnas_completion tnas; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
    "zsh": "words=({words}); CURRENT={count}; _tnas_completion",
    "fish": "complete -C '{line}'",
}
BEFORE = {"bash": "", "zsh": "compdef() {}; _arguments() { print -r -- $1 }; _files() { print files };", "fish": ""}
WITHOUT_SETTINGS = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "expected"), [("tnas search --dataset omni", "omniglot"), ("tnas resume runs/", "runs/a-1")]
)
def test_in_the_shell_itself(shell: str, line: str, expected: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"needs {shell}")
    (tmp_path / "runs" / "a-1").mkdir(parents=True)
    (tmp_path / "runs" / "a-1" / "run.json").write_text("{}")
    tnas = tmp_path / "tnas"
    tnas.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m tnas_cli "$@"\n')
    tnas.chmod(0o755)
    script = tmp_path / "script"
    script.write_text(get_completion_script(prog_name="tnas", complete_var="_TNAS_COMPLETE", shell=shell))
    given = line.split(" ")
    ask = SHELLS[shell].format(words=" ".join(given), last=len(given) - 1, count=len(given), line=line)
    path = f"export PATH={shlex.quote(str(tmp_path))}:$PATH;" if shell != "fish" else f"set -x PATH {tmp_path} $PATH;"
    done = subprocess.run(
        [program, *WITHOUT_SETTINGS[shell], "-c", f"{path} {BEFORE[shell]} source {script}; {ask}"],
        capture_output=True, text=True, cwd=tmp_path, check=True,
    )  # fmt: skip
    lines = done.stdout.strip().splitlines()
    if shell == "zsh":
        assert lines == [f'*: :(("{expected}"))'], done
    else:
        assert [text.split("\t")[0] for text in lines] == [expected], done
