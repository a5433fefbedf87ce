"""An option without effect is refused, with a hint: every option with every method, on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.running import tnas
from tnas_cli.methods.registry import readers
from tnas_cli.settings.base import Settings
from tnas_cli.settings.features import INHERITED_READS, SCRATCH_READS, SUPERVISED_READS
from tnas_cli.settings.fields import Setting, settings_of
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.supervised import SupervisedSettings
from tnas_cli.settings.train import TrainSettings

#: A data set that does not exist: a command that is not refused ends there, before anything is computed.
NOWHERE = ("--dataset", "nowhere.h5", "--device", "cpu", "--threads", 1)

SEARCHING, TRAINING = readers(searches=True), readers(searches=False)
CASES = {
    **{f"search --method {name}": (SearchSettings, reads, SEARCHING) for name, reads in SEARCHING.items()},
    **{
        f"train-eval DARTS_V2 --method {name}": (TrainSettings, reads | SCRATCH_READS, TRAINING)
        for name, reads in TRAINING.items()
    },
    "train-eval DARTS_V2 --weights inherited": (TrainSettings, INHERITED_READS, {}),
    **{
        f"supervised --method {name}": (SupervisedSettings, reads, SUPERVISED_READS)
        for name, reads in SUPERVISED_READS.items()
        if name != "given"
    },
    "supervised DARTS_V2": (SupervisedSettings, SUPERVISED_READS["given"], SUPERVISED_READS),
}


def value_of(about: Setting) -> tuple[str, ...]:
    """Command-line words that set the option to a value in its range."""
    if about.kind == "yes or no":
        return (about.options.split("/")[0],)
    values = {"text": about.choices[:1] or ("vinyals",), "two numbers": ("0.5", "0.9"), "number": ("0.5",)}
    return (about.options, *values.get(about.kind, (str(max(2, int(about.least or 0))),)))


def settings(cls: type[Settings]) -> list[Setting]:
    """All options except those that every case names."""
    return [about for name, about in settings_of(cls).items() if name not in ("dataset", "method")]


@pytest.mark.parametrize("case", CASES)
def test_every_option(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cls, reads, others = CASES[case]
    for about in settings(cls):
        ran = tnas(*case.split(), *NOWHERE, *value_of(about))
        option = value_of(about)[0]
        if about.needs is None or about.needs in reads:
            assert "has no effect" not in ran.stderr, (option, ran.stderr)
            assert ran.code in (2, 3, 4), ran.stderr
            continue
        assert ran.code == 2, (option, ran.stderr)
        name = f"--{about.name.replace('_', '-')}"
        assert f"error: {name} has no effect with " in ran.stderr
        for reader, features in others.items():
            if about.needs in features:
                assert reader in ran.stderr.splitlines()[-1], (option, ran.stderr)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "refused", "instead"),
    [
        ("search --method auto-maml --alternating", "--alternating", "t-nas"),
        ("search --method auto-maml --beta-inner 3", "--beta-inner", "t-nas, t-nas++"),
        ("search --method auto-maml --order annealed", "--order annealed", "t-nas or t-nas++"),
        ("search --seeds 2 --dry-run", "--seeds", "leave it out"),
        ("search --tensorboard --dry-run", "--tensorboard", "leave it out"),
        ("train-eval 4conv --method protonets --alpha-inner 0.1", "--alpha-inner", "maml"),
        ("train-eval 4conv --method protonets --order second", "--order", "maml"),
        ("train-eval 4conv --method meta-sgd --learned-rates none", "--learned-rates", "maml++"),
        ("train-eval 4conv --channels 8", "--channels", "a genotype"),
        ("train-eval DARTS_V2 --all-tasks", "--all-tasks", "--weights inherited"),
        ("train-eval DARTS_V2 --checkpoint best.pt", "--checkpoint", "--weights inherited"),
        ("train-eval DARTS_V2 --weights inherited --limit 2", "--limit", "--weights scratch"),
        ("train-eval DARTS_V2 --weights inherited --seeds 2", "--seeds", "--weights scratch"),
        ("train-eval DARTS_V2 --weights inherited --side-by-side 2", "--side-by-side", "--weights scratch"),
        ("train-eval DARTS_V2 --weights inherited --dry-run --workers 2", "--workers", "--weights scratch"),
        ("train-eval DARTS_V2 --workers 2", "--workers", "add --dry-run"),
        ("train-eval DARTS_V2 --price 0.04", "--price", "add --dry-run"),
        ("train-eval DARTS_V2 --dry-run --workers 2 --side-by-side 2", "--side-by-side", "leave one of them out"),
        ("train-eval DARTS_V2 --weights inherited --test-tasks 9", "--test-tasks", "--all-tasks"),
        ("supervised --method s1 --checkpoint best.pt", "--checkpoint", "t-nas"),
        ("supervised --method random --order second", "--order", "s1 or s2"),
        ("transfer DARTS_V2 --decay-rate 0.9", "--decay-rate", "decay 'exponential'"),
        ("transfer DARTS_V2 --crop resize --padding 3", "--padding", "crop 'shift'"),
        ("transfer DARTS_V2 --no-auxiliary --auxiliary-weight 0.1", "--auxiliary-weight", "auxiliary True"),
    ],
)
def test_what_is_read_by_others_only(words: str, refused: str, instead: str) -> None:
    ran = tnas(*words.split(), *NOWHERE)
    assert (ran.code, ran.stdout) == (2, ""), ran.stderr
    first, last = ran.stderr.splitlines()[0], ran.stderr.splitlines()[-1]
    assert first.startswith(f"error: {refused} has no effect")
    assert instead in last


@pytest.mark.parametrize("options", ["--tasks 3", "--split val", "--protocol random", "--shot 1", "--query 2"])
def test_task_folders_are_taken_as_they_are(options: str, tmp_path: Path) -> None:
    ran = tnas("adapt", "best.pt", tmp_path, *options.split())
    assert ran.code == 2
    assert f"{options.split()[0]} has no effect with task folders" in ran.stderr
    assert "choose --dataset" in ran.stderr


def test_the_images_of_a_data_set_are_taken_as_they_are() -> None:
    ran = tnas("adapt", "best.pt", "--dataset", "glyphs", "--invert", "yes")
    assert ran.code == 2 and "--invert has no effect with --dataset" in ran.stderr


def test_an_engine_is_refused_where_pytorch_computes() -> None:
    ran = tnas("train-eval", "4conv", "--method", "compare-nets", *NOWHERE, "--engine", "fused")
    assert ran.code == 2 and "--engine has no effect with compare-nets" in ran.stderr
    assert tnas("transfer", "DARTS_V2", *NOWHERE, "--engine", "fused").code == 2


def test_a_file_of_settings_is_what_a_run_wrote(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(SearchSettings("nowhere.h5", way=7, method="t-nas++", learned_rates="step").to_toml())
    ran = tnas("search", "--settings", file)
    assert ran.code == 3 and "nowhere.h5" in ran.stderr
    refused = tnas("search", "--settings", file, "--preset", "paper")
    assert refused.code == 2 and "--preset has no effect" in refused.stderr
    # A switch in the file was chosen by somebody; a value that its method read may not have been.
    other = tnas("search", "--settings", file, "--method", "auto-maml")
    assert other.code == 2 and "--learned-rates has no effect with auto-maml" in other.stderr
    lines = file.read_text().splitlines()[:-2]  # as an earlier version may have written it
    file.write_text("\n".join(lines) + "\n")
    assert tnas("search", "--settings", file).code == 3
    file.write_text('dataset = "nowhere.h5"\nbeta_inner = 3.0\nmethod = "auto-maml"\n')
    ran = tnas("search", "--settings", file, "--preset", "paper")
    assert ran.code == 2 and "--beta-inner has no effect with auto-maml" in ran.stderr


@pytest.mark.parametrize(
    ("words", "refused", "hint"),
    [
        ("--compare a b --table 3", "--table", "leave it out"),
        ("--check file.toml --table 3", "--table", "leave it out"),
        ("--figures out --table 3", "--table", "leave it out"),
        ("--html page.html --table 3", "--table", "leave it out"),
        ("--table 3 --cache-dir here", "--cache-dir", "--figures or --html"),
        ("--compare a b --cache-dir here", "--cache-dir", "--figures or --html"),
    ],
)
def test_a_report_of_another_kind(words: str, refused: str, hint: str) -> None:
    ran = tnas("report", *words.split())
    assert ran.code == 2 and f"error: {refused} has no effect with " in ran.stderr
    assert hint in ran.stderr.splitlines()[-1]


def test_one_form_of_a_genotype_is_asked_for() -> None:
    ran = tnas("decode", "DARTS_V2", "--json", "--format", "dot")
    assert ran.code == 2 and "--json and --format dot exclude each other" in ran.stderr
    assert tnas("decode", "DARTS_V2", "--json", "--format", "json").code == 0


@pytest.mark.parametrize("words", ["omniglot", "--seed 3", "--size 28", "--force", "--source here"])
def test_a_list_is_of_all_data_sets(words: str) -> None:
    ran = tnas("prepare-data", "--list", *words.split())
    assert ran.code == 2 and "--list" in ran.stderr.splitlines()[0]
