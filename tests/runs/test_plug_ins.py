"""What other packages add: found by name, loaded late, and left out with a message if it is broken."""

import sys
from pathlib import Path

import pytest

from tnas_cli.runs import plug_ins
from tnas_cli.runs.plug_ins import PlugIns

MODULE = """
class Thing:
    def __init__(self, name):
        self.name = name

good, misnamed, number = Thing("good"), Thing("other"), 3
"""

ENTRIES = """[tnas.things]
good = things_of_mine:good
absent = no_such_module_anywhere:x
leaves = things_that_leave:x
misnamed = things_of_mine:misnamed
number = things_of_mine:number
own = things_of_mine:good
"""


@pytest.fixture
def things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlugIns:
    """An installed package with one good thing and one of every kind of broken ones."""
    (tmp_path / "things_of_mine.py").write_text(MODULE)
    (tmp_path / "things_that_leave.py").write_text("import sys\nsys.exit(3)\n")
    info = tmp_path / "my_things-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-things\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(plug_ins, "_problems", {})
    monkeypatch.delitem(sys.modules, "things_of_mine", raising=False)
    import things_of_mine

    return PlugIns("tnas.things", lambda: things_of_mine.Thing, taken=("own",))


def test_names_need_no_import_and_broken_ones_are_named_and_left_out(things: PlugIns) -> None:
    assert things.names() == ("absent", "good", "leaves", "misnamed", "number")
    assert list(things.all()) == ["good"]
    assert things.names() == ("good",)
    said = "\n".join(plug_ins.problems())
    assert len(plug_ins.problems()) == 5
    for words in (
        "'absent' (tnas.things) of the package my-things is left out: ModuleNotFoundError",
        "'leaves' (tnas.things) of the package my-things is left out: SystemExit: 3",
        "it calls itself 'other'",
        "it is not a Thing",
        "'own' (tnas.things) of the package my-things is left out: tnas has one of that name",
    ):
        assert words in said


def test_a_package_with_an_unreadable_list_is_named_and_hides_no_other(things: PlugIns, tmp_path: Path) -> None:
    info = tmp_path / "torn-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torn\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tnas.things]\nneither name nor value\n")
    assert things.names() == ("absent", "good", "leaves", "misnamed", "number")
    assert [words for words in plug_ins.problems() if "package torn cannot be read" in words]


def test_one_is_loaded_alone_and_once(things: PlugIns) -> None:
    first = things.get("good")
    assert first is not None
    assert things.get("good") is first
    assert things.get("nothing") is None
    assert (things.problem("nothing"), things.problem("good")) == (None, None)
    assert things.get("absent") is None
    assert "no_such_module_anywhere" in str(things.problem("absent"))
    assert not any("misnamed" in words for words in plug_ins.problems())
