"""`tnas reproduce` as a function: its cells, how they share the time, and what a stop and a failure leave."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.methods import class_pictures
from tnas_cli.commands.reproduce import estimate_reproduction, reproduce
from tnas_cli.commands.reproduction import few_shot, supervised, transfer
from tnas_cli.commands.reproduction.plan import Plan, Wish, plan_of
from tnas_cli.errors import DataError, Interrupted, SettingsError, TnasError
from tnas_cli.methods.registry import all_about
from tnas_cli.recipes.estimate import Estimate
from tnas_cli.recipes.genotypes import read_genotypes
from tnas_cli.records.kinds import FixedNetwork
from tnas_cli.records.reading import read
from tnas_cli.records.results import TrainResult
from tnas_cli.report.paper_tables import paper_table
from tnas_cli.report.results import results_of
from tnas_cli.runs import called
from tnas_cli.runs.device import Machine
from tnas_cli.runs.events import Note, ignore
from tnas_cli.runs.lock import locked
from tnas_cli.settings.meta_learning import UNLIMITED

_TINY = {"query": 2, "meta_batch": 2, "inner_steps": 1, "test_steps": 1, "validation_tasks": 2, "validate_every": 2}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Few classes, tiny settings, and no data set but glyphs."""
    monkeypatch.setattr("tnas_cli.episodes.glyphs.CLASSES", {"train": 6, "val": 5, "test": 6})
    for module in ("search_settings", "weights"):
        monkeypatch.setattr(f"tnas_cli.recipes.{module}.preset", lambda kind, name: _TINY | {"tasks": 4})
    return Machine("cpu", 1, tmp_path / "cache", offline=True)


def planned(**wish: Any) -> Plan:
    rows: Any = {"few-shot": few_shot, "supervised": supervised, "transfer": transfer}
    table = paper_table(wish["table"])
    return plan_of(Wish(**wish), rows[table.setting], table)


def test_every_table_has_its_rows_as_cells_or_says_why_not() -> None:
    for number in range(2, 9):
        table = paper_table(number)
        found = planned(table=number)
        kept = {cell.row.name for cell in found.cells}
        assert kept | {row.name for row, _ in found.left_out} == {row.name for row in table.rows}
        assert not kept & {row.name for row, _ in found.left_out}
        folders = [cell.folder for cell in found.cells]
        assert len(set(folders)) == len(folders)
    (reason,) = [why for row, why in planned(table=8).left_out if row.method == "nasnet-b"]
    assert "no source" in reason


def test_the_time_is_shared_equally_and_a_search_divides_its_share(machine: Machine) -> None:
    found = planned(table=2, rows=("maml", "t-nas"), hours=2.0, dataset="glyphs", seed=3)
    assert [cell.name for cell in found.cells] == ["MAML 1-shot", "MAML 5-shot", "T-NAS 1-shot", "T-NAS 5-shot"]
    assert found.seconds_each == 1800
    maml, t_nas = found.cells[1], found.cells[3]
    trained = few_shot.training(found, maml).settings
    assert (trained.hours, trained.tasks, trained.way, trained.shot, trained.seed) == (0.5, UNLIMITED, 5, 5, 3)
    searched = few_shot.search(found, t_nas, machine, ignore).settings
    assert (searched.method, searched.hours, searched.shot, searched.dataset) == ("t-nas", 0.25, 5, "glyphs")
    of_genotypes = few_shot.training_of(found, t_nas, few_shot.read_trainables("DARTS_V2"))
    assert of_genotypes.settings.hours == 0.25 and of_genotypes.limit == 1


@pytest.mark.parametrize("shot", [1, 5])
def test_a_search_on_half_of_a_classs_images_takes_the_query_images_that_are_left(shot: int, tmp_path: Path) -> None:
    """Omniglot has 20 images of a class. Auto-MAML divides them, so that its tasks have fewer; T-NAS's keep theirs."""
    file = tmp_path / "scripts-20.h5"
    class_pictures.characters(file, {"train": 6, "val": 5, "test": 5}, images=20)
    notes: list[Any] = []
    wish: dict[str, Any] = {"table": 2, "rows": ("t-nas", "auto-maml"), "shots": (shot,), "preset": "paper"}
    found = planned(**wish, dataset=str(file))
    searches = [few_shot.search(found, cell, Machine("cpu"), notes.append).settings for cell in found.cells]
    assert {settings.method: settings.query for settings in searches} == {"t-nas": 15, "auto-maml": 10 - shot}
    assert [isinstance(each, Note) and "10 of a class's 20 images" in each.text for each in notes] == [True]


def test_a_limit_says_how_many_genotypes_of_a_search_are_trained() -> None:
    wish: dict[str, Any] = {"table": 2, "rows": ("t-nas",), "shots": (1,)}
    genotypes = [*few_shot.read_trainables("DARTS_V1"), *few_shot.read_trainables("DARTS_V2")]
    for given, limit in (({}, None), ({"limit": 2}, 2), ({"hours": 1.0}, 1), ({"hours": 1.0, "limit": 2}, 2)):
        found = planned(**wish, **given)
        training = few_shot.training_of(found, found.cells[0], genotypes)
        assert training.limit == limit
        # The time of one training alone is its length; two have the preset's tasks, one after another.
        assert (training.settings.tasks == UNLIMITED) == (limit == 1)
        assert training.settings.hours == (0.5 if "hours" in given else 0)


def test_rows_beyond_the_table_are_planned_only_if_they_are_named() -> None:
    """Any method that the table does not have, and soft pruning; the paper's rows come first."""
    own = [row.method for row in paper_table(2).rows]
    assert [row.method for row in planned(table=2).table.rows] == own
    found = planned(table=2, rows=("metanas", "r2d2", "maml"), shots=(5,), dataset="glyphs")
    assert [cell.folder for cell in found.cells] == ["maml-5-shot", "r2d2-5-shot", "metanas-5-shot"]
    assert [cell.row.cells for cell in found.cells[1:]] == [{}, {}]
    further = {row.method for row in few_shot.beyond(paper_table(2))}
    assert further == (set(all_about()) | {"metanas"}) - set(own)
    assert "maml++" not in further and {"maml++", "boil", "frozen"} <= {*own, *further}
    for table in (5, 7):
        with pytest.raises(SettingsError, match="no row 'metanas'"):
            planned(table=table, rows=("metanas",))


def test_soft_pruning_divides_its_time_between_a_search_and_its_meta_training(machine: Machine) -> None:
    found = planned(table=2, rows=("metanas",), shots=(1,), hours=2.0, dataset="glyphs", seed=3)
    (cell,) = found.cells
    searched = few_shot.search(found, cell, machine, ignore).settings
    assert (searched.method, searched.hours, searched.seed) == ("t-nas", 1.0, 3)
    genotypes = [replace(record, run="runs/1") for record in read_genotypes("DARTS_V2")]
    recipe = few_shot.inheriting(found, cell, genotypes)
    assert (recipe.settings.hours, recipe.settings.tasks, recipe.settings.dataset) == (1.0, UNLIMITED, "glyphs")
    assert recipe.checkpoint == Path("runs/1/best.pt") and not recipe.all_tasks


@pytest.mark.parametrize(("method", "wide"), [("tadam", "resnet12"), ("mtl", "resnet12-mtl")])
def test_within_a_time_limit_the_widest_networks_have_narrow_ones_in_their_place(method: str, wide: str) -> None:
    """Also in a table that has no such row; by a preset that is named, or without a limit, they stay as published."""
    for table in (2, 6):
        wish: dict[str, Any] = {"table": table, "rows": (method,), "shots": (1,), "dataset": "glyphs"}
        for more, filters in (({"hours": 1.0}, 8), ({}, 64), ({"hours": 1.0, "preset": "paper"}, 64)):
            found = planned(**wish, **more)
            (record,) = few_shot.training(found, found.cells[0]).given
            assert isinstance(record, FixedNetwork) and record.network == f"{wide}-{filters}"


def test_without_hours_a_cell_has_the_papers_budget_and_its_own_order() -> None:
    found = planned(table=3, rows=("maml",), shots=(1,))
    settings = [few_shot.training(found, cell).settings for cell in found.cells]
    assert [each.order for each in settings] == ["second", "first"]
    assert {(each.tasks, each.dataset, each.protocol) for each in settings} == {(300_000, "mini-imagenet", "ravi")}


def test_a_row_that_another_method_measures_has_its_network_and_says_what_differs() -> None:
    found = planned(table=3, rows=("auto-meta-small", "auto-meta-large"))
    recipes = [few_shot.training(found, cell) for cell in found.cells]
    assert [(recipe.given[0].network, recipe.settings.shot) for recipe in recipes] == [  # type: ignore[union-attr]
        ("auto-meta-small", 1),
        ("auto-meta-small", 5),
        ("auto-meta-large-1shot", 1),
        ("auto-meta-large-5shot", 5),
    ]
    for settings in (recipe.settings for recipe in recipes):
        assert (settings.method, settings.inner_steps, settings.test_steps) == ("reptile", 8, 50)
    assert all("solved" in (few_shot.differs(cell.row) or "") for cell in found.cells)
    assert few_shot.differs(planned(table=3, rows=("maml",)).cells[0].row) is None


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"table": 2, "rows": ("mamml",)}, "no row 'mamml'"),
        ({"table": 2, "shots": (3,)}, "no column for 3-shot"),
        ({"table": 8, "rows": ("nasnet-b",)}, "nothing is left to measure: NASNet-B"),
        ({"table": 9}, "no table 9"),
        ({"table": 5, "test_tasks": 9}, "--test-tasks has no effect in Table 5"),
        ({"table": 7, "limit": 2}, "--limit has no effect in Table 7"),
        ({"table": 2, "rows": ("maml", "metanas"), "limit": 2}, "no row trains what a search found"),
        # A preset that a search has and a training has not is refused before the search.
        ({"table": 2, "rows": ("t-nas",), "preset": "authors"}, "unknown preset 'authors'"),
    ],
)
def test_what_a_table_does_not_have_is_refused(wish: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        reproduce(Wish(**wish))


def test_cells_are_measured_once_and_reported(tmp_path: Path, machine: Machine) -> None:
    wish = Wish(2, ("protonet", "t-nas", "maml"), (1,), "glyphs", hours=0.001, test_tasks=4)
    with pytest.raises(SettingsError, match="no row 'protonet'"):
        reproduce(wish, runs=tmp_path, machine=machine)
    assert not list(tmp_path.glob("table-*"))
    wish = Wish(2, ("t-nas", "maml"), (1,), "glyphs", hours=0.001, test_tasks=4)
    told: list[str] = []
    found = reproduce(wish, runs=tmp_path, machine=machine, each=lambda cell: told.append(cell.row))
    assert [(cell.row, cell.state, cell.paper) for cell in found.cells] == [
        ("MAML", "measured", "98.7 ± 0.4%"),
        ("T-NAS", "measured", "99.16 ± 0.34%"),
    ]
    assert told == ["MAML", "T-NAS"]
    folder = tmp_path / "table-2"
    assert {path.name for path in folder.iterdir()} == {"maml-1-shot", "t-nas-1-shot", "reproduction.json"}
    measured = results_of([folder]).measured
    assert {(m.method, m.mean) for m in measured} == {(cell.method, cell.mean) for cell in found.cells}
    again = reproduce(wish, runs=tmp_path, machine=machine)
    assert [(cell.mean, cell.run) for cell in again.cells] == [(cell.mean, cell.run) for cell in found.cells]
    (record,) = read(json.dumps(found.to_json()))
    assert record == found
    with pytest.raises(SettingsError, match=r"made with hours = 0\.001, and not 1"):
        reproduce(Wish(2, ("t-nas", "maml"), (1,), "glyphs", hours=1.0, test_tasks=4), runs=tmp_path, machine=machine)


def test_what_a_cell_will_cost_is_said_before_it_begins_where_no_hours_say_it(tmp_path: Path, machine: Machine) -> None:
    wish = Wish(2, ("t-nas",), (1,), "glyphs", limit=1, test_tasks=3)
    said: list[str] = []

    def hear(event: object) -> None:
        if isinstance(event, Note) and event.text.startswith("to expect"):
            said.append(event.text)

    (cell,) = reproduce(wish, runs=tmp_path, machine=machine, listener=hear).cells
    assert cell.state == "measured" and cell.trained is not None and cell.trained.amount == 4
    assert [text.split()[-1] for text in said] == ["s"]  # a few seconds
    reproduce(wish, runs=tmp_path, machine=machine, listener=hear)
    reproduce(replace(wish, hours=0.001), runs=tmp_path / "timed", machine=machine, listener=hear)
    assert len(said) == 1


def test_soft_pruning_and_a_narrower_network_are_measured_and_say_what_they_are(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(few_shot, "_OWN_NETWORKS", {"maml": ("4conv-32", "4conv-64")})
    wish = Wish(3, ("metanas", "maml"), (1,), "glyphs", hours=0.002, test_tasks=4)
    found = reproduce(wish, runs=tmp_path, machine=machine)
    first, other, pruned = found.cells
    assert [cell.state for cell in found.cells] == ["measured"] * 3
    assert {first.differs, other.differs} == {"4conv-64 in place of 4conv-32"}
    assert (pruned.row, pruned.paper, pruned.differs) == ("Soft pruning (after MetaNAS)", None, None)
    (result,) = [m for m in results_of([tmp_path / "table-3"]).measured if m.weights == "inherited"]
    assert isinstance(result, TrainResult)
    assert (result.method, result.mean, result.tasks) == ("t-nas", pruned.mean, 4)
    assert pruned.parameters is not None and pruned.trained is not None
    whole = replace(wish, hours=None, rows=("metanas", "t-nas"))
    t_nas, metanas = estimate_reproduction(whole, runs=tmp_path, machine=machine).cells
    assert metanas.seconds is not None and t_nas.seconds is not None and 0 < metanas.seconds < t_nas.seconds


def test_a_searched_network_that_answers_itself_is_adapted_to_all_test_tasks(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = _TINY | {"tasks": 4, "channels": 4, "nodes": 2}
    monkeypatch.setattr("tnas_cli.recipes.search_settings.preset", lambda kind, name: narrow)
    monkeypatch.setattr(few_shot, "ADAPTED_IN_TIME", 2)  # of what is to be decoded
    machine = replace(machine, engine="torch")
    rows: dict[str, Any] = {"rows": ("base-gumbel-softmax",), "shots": (1,), "dataset": "glyphs", "test_tasks": 4}
    plan = planned(table=3, hours=0.0005, **rows)
    assert few_shot.search(plan, plan.cells[0], machine, ignore).settings.hours == pytest.approx(
        0.0005
    )  # the whole time
    wish = Wish(3, hours=0.0005, **rows)
    (cell,) = reproduce(wish, runs=tmp_path, machine=machine).cells
    assert (cell.row, cell.state, cell.paper) == ("BASE (Gumbel-Softmax)", "measured", "-")
    assert cell.run == str(tmp_path / "table-3" / "base-gumbel-softmax-1-shot" / "adapted.jsonl")
    (measured,) = results_of([cell.run]).measured
    assert (measured.method, measured.mean, measured.tasks) == ("base-gumbel-softmax", cell.mean, 4)
    assert cell.trained is not None and cell.trained.amount > 0
    again = reproduce(wish, runs=tmp_path, machine=machine).cells[0]
    assert (again.mean, again.run) == (cell.mean, cell.run)
    few, many = (
        estimate_reproduction(Wish(3, **rows | {"test_tasks": tasks}), machine=machine).cells[0].seconds or 0.0
        for tasks in (4, 10**6)
    )
    assert 0 < few < 600 < many  # with what its test tasks take


def test_a_cell_that_fails_does_not_stop_the_others_and_a_stop_says_how_to_continue(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure, raised = few_shot.measure, DataError("the images are gone.", hint="prepare them again")

    def failing(plan: Plan, cell: Any, *others: Any) -> Any:
        if cell.row.method == "maml":
            raise raised
        return measure(plan, cell, *others)

    monkeypatch.setattr(few_shot, "measure", failing)
    wish = Wish(2, ("maml", "matching-nets"), (1,), "glyphs", hours=0.001, test_tasks=4)
    found = reproduce(wish, runs=tmp_path, machine=machine)
    assert {cell.method: cell.state for cell in found.cells} == {"matching-nets": "measured", "maml": "failed"}
    assert {cell.why for cell in found.cells} == {None, "the images are gone."}

    with locked(tmp_path / "table-2"), pytest.raises(TnasError, match="running already"):
        reproduce(wish, runs=tmp_path, machine=machine)

    raised = Interrupted("stopped", hint="continue with: tnas resume RUN")
    monkeypatch.setattr(called, "_words", ("tnas", "reproduce", "table 2"))
    with pytest.raises(Interrupted) as stopped:
        reproduce(wish, runs=tmp_path, machine=machine)
    assert stopped.value.hint == "continue with: tnas reproduce 'table 2'"


@pytest.mark.parametrize("rows", [("maml",), ("t-nas",)])
def test_where_the_data_are_missing_others_may_stand_in(
    tmp_path: Path, machine: Machine, rows: tuple[str, ...]
) -> None:
    with pytest.raises(DataError) as missing:
        reproduce(Wish(3, rows, hours=1.0), runs=tmp_path, machine=machine)
    assert missing.value.hint.endswith("stand in, by --dataset")
    assert not list(tmp_path.glob("table-*"))


def test_an_estimate_computes_no_cell(tmp_path: Path, machine: Machine) -> None:
    limited = Wish(2, ("maml", "t-nas", "memory-module"), (), "glyphs", hours=1.0)
    found = estimate_reproduction(limited, runs=tmp_path, machine=machine)
    assert len(found.cells) == 6 and all(600 < (cell.seconds or 0) < 1200 for cell in found.cells)  # with tests
    whole = Wish(2, ("maml", "t-nas"), (1,), "glyphs", test_tasks=100)
    maml, t_nas = estimate_reproduction(whole, runs=tmp_path, machine=machine).cells
    # 100 test tasks, each with a genotype to train, and a search.
    assert maml.seconds is not None and t_nas.seconds is not None and t_nas.seconds > 10 * maml.seconds > 0
    (two,) = estimate_reproduction(replace(whole, rows=("t-nas",), limit=2), runs=tmp_path, machine=machine).cells
    assert two.seconds is not None and two.seconds < t_nas.seconds / 5
    assert not (tmp_path / "table-2").exists()


_LARGE: dict[str, Any] = {"tasks": 2, "channels": 4, "batch": 18, "padding": 1, "flip": False, "genotypes": 2}
_LARGE |= {"epochs": 8, "search_epochs": 8, "search_batch": 9}


def test_a_row_of_table_5_trains_for_as_long_as_there_is_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = tmp_path / "signs-drawn-20.h5"
    class_pictures.characters(images)
    table = paper_table(5)
    (column,) = (column for column in table.columns if column.measure == "accuracy")
    small = replace(table, way=3, query=4, columns=(replace(column, shot=6),))
    monkeypatch.setattr("tnas_cli.commands.reproduce.paper_table", lambda number: small)
    monkeypatch.setattr("tnas_cli.recipes.supervised.preset", lambda kind, name: _LARGE)
    here = Machine("cpu", 1, engine="torch")
    wish = Wish(5, ("random", "s2"), dataset=str(images), hours=1e-6)
    found = reproduce(wish, runs=tmp_path / "runs", machine=here)
    assert [(cell.row, cell.state) for cell in found.cells] == [("Random", "measured"), ("S2", "measured")]
    assert {cell.trained and cell.trained.amount for cell in found.cells} == {1}  # there is no time for a second epoch
    whole = estimate_reproduction(replace(wish, hours=None, rows=("s2",)), runs=tmp_path, machine=here)
    assert whole.cells[0].seconds is not None and whole.cells[0].seconds > 0


def test_the_time_for_epochs_counts_a_search_on_other_tasks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """10 tasks: of S2's 60 s on one task, 50 are the search before, which all tasks share, and 4 a task's own."""
    result = SimpleNamespace(wall_seconds=60.0, search_seconds=4.0, search_seconds_before=50.0)
    monkeypatch.setattr(supervised.job, "start", lambda *args, **where: result)
    plan = planned(table=5, rows=("s2",), dataset="fc100", hours=1.0)
    assert supervised._measured(plan, plan.cells[0], None, Machine("cpu", 1)) == (4 * 10 + 50, 6 * 10)


def test_a_row_of_table_7_is_a_network_of_published_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = tmp_path / "toy-images-20.h5"
    class_pictures.cache(images)
    tiny = {"layers": 3, "channels": 4, "epochs": 5, "batch": 24, "cutout": 4, "padding": 1}
    monkeypatch.setattr("tnas_cli.recipes.transfer.preset", lambda kind, name, dataset: tiny)
    wish = Wish(7, ("darts-second-order",), dataset=str(images), hours=1e-6)
    (cell,) = reproduce(wish, runs=tmp_path / "runs", machine=Machine("cpu", 1)).cells
    assert (cell.state, cell.column, cell.trained and cell.trained.amount) == ("measured", "error (%)", 1)
    (planned_cell,) = estimate_reproduction(replace(wish, hours=None), machine=Machine("cpu", 1)).cells
    assert planned_cell.seconds is not None and planned_cell.seconds > 0


def test_the_random_row_of_table_7_draws_its_own_and_divides_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tmp_path / "toy-images-20.h5"
    class_pictures.cache(images)
    tiny = {"layers": 3, "channels": 4, "epochs": 5, "batch": 24, "cutout": 4, "padding": 1, "genotypes": 2}
    monkeypatch.setattr("tnas_cli.recipes.transfer.preset", lambda kind, name, dataset: tiny)
    wish, here = Wish(7, ("random",), dataset=str(images), hours=1e-6), Machine("cpu", 1)
    (cell,) = reproduce(wish, runs=tmp_path / "runs", machine=here).cells
    assert (cell.state, cell.method, cell.trained and cell.trained.amount) == ("measured", "random", 1)
    assert cell.differs is not None and "drawn here" in cell.differs
    # An hour at 10 s an epoch is 360 epochs: 72 for the chosen one, 288 for the choice among two.
    whole = planned(table=7, rows=("random",), dataset=str(images), hours=1.0)
    settings = transfer._recipe(whole, whole.cells[0], 10.0).settings
    assert (settings.method, settings.epochs, settings.choice_epochs) == ("random", 72, 144)
    monkeypatch.setattr(transfer, "_seconds_per_epoch", lambda recipe, machine: 10.0)
    (estimated,) = estimate_reproduction(replace(wish, hours=None), machine=here).cells
    assert estimated.seconds == 10 * (5 + 2 * 100)
    (in_an_hour,) = estimate_reproduction(replace(wish, hours=1.0), machine=here).cells
    assert in_an_hour.seconds == 10 * (72 + 2 * 144)
    (at_once,) = estimate_reproduction(wish, machine=here).cells
    assert at_once.seconds == 10 * (1 + 2 * 1)  # one epoch at least


def test_the_tests_come_on_top_of_the_hours(tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second for a meta-batch, and two for the two validation tasks: within an hour, of which a search has half, its
    half, 20 adapted tasks, a training, and of it the calibration and 600 tests."""
    steps = Estimate(1, 1, 1.0, 2.0, 10**6, 10**7)
    monkeypatch.setattr("tnas_cli.recipes.search.estimate", lambda *args: replace(steps, total_seconds=1800.0))
    monkeypatch.setattr(
        "tnas_cli.recipes.estimate_training.estimate", lambda *args: replace(steps, total_seconds=1800.0)
    )
    wish = Wish(2, ("t-nas",), (1,), "glyphs", hours=1.0, test_tasks=600)
    (cell,) = estimate_reproduction(wish, runs=tmp_path, machine=machine).cells
    assert cell.seconds == pytest.approx(1800 + 20 + 1800 + 2 + 600)
    (three,) = estimate_reproduction(replace(wish, limit=3), runs=tmp_path, machine=machine).cells
    assert three.seconds == pytest.approx(1800 + 20 + 1800 + 3 * 602)  # the trainings share their half
