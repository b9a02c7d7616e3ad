"""Aliases: read as spreadsheets write them, kept over loads, shown over all history."""

from __future__ import annotations

import codecs
import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from lake_kit import Landing, ObjectStore, lake_of, new_home, success, tree
from warehouse_lake import ask_build, change_build

from transforms import aliases as aliasing
from transforms import lake, pipeline
from transforms.alias_csv import AliasError, encode_sheet, parse_sheet
from transforms.aliases import FACES, FILES, TAGS, Alias, list_aliases, make_alias, resolve
from transforms.cli import main
from transforms.settings import Settings
from transforms.warehouse import checks
from transforms.warehouse.publish import PublishError

Cli = Callable[..., tuple[int, str, str]]

FACE_HEADER = "job_id,name,person\n"
TAG_HEADER = "kind,name,label\n"


def _faces(text: str | bytes) -> list[tuple[str, str, str]]:
    content = text if isinstance(text, bytes) else text.encode()
    sheet = parse_sheet(FACES.path, FACES.columns, content)
    return [(each.scope, each.name, each.target) for each in list_aliases(FACES, sheet)]


def _tags(text: str) -> list[Alias]:
    return list_aliases(TAGS, parse_sheet(TAGS.path, TAGS.columns, text.encode()))


LI_NA = [("job-1", "未知人脸1", "Li, Na")]
ROW = 'job-1,未知人脸1,"Li, Na"'


@pytest.mark.parametrize(
    "content",
    [
        f"{FACE_HEADER}{ROW}\n".encode(),
        f"{FACE_HEADER}{ROW}".encode(),
        codecs.BOM_UTF8 + f"{FACE_HEADER}{ROW}\n".encode(),
        f"{FACE_HEADER}{ROW}\n".replace("\n", "\r\n").encode(),
        f"{FACE_HEADER}{ROW}\n".replace("\n", "\r").encode(),
        f"\n,,\n{FACE_HEADER}\n , ,\n{ROW}\n,,\n\n".encode(),
        f'{FACE_HEADER} job-1 ,\u3000未知人脸1\u00a0, "Li, Na "\n'.encode(),
        f"{FACE_HEADER}{ROW},,\n".encode(),
        'Person , NAME,who says so,job_id\n"Li, Na",未知人脸1,"me, ""myself""",job-1\n'.encode(),
        f"{FACE_HEADER}{ROW}\n{ROW}\n".encode(),
    ],
    ids=[
        "plain",
        "no end of the last line",
        "byte order mark",
        "CRLF",
        "CR",
        "blank lines",
        "white space",
        "empty cells at the end",
        "other order, other columns",
        "the same twice",
    ],
)
def test_files_of_spreadsheets_are_read(content: bytes) -> None:
    """What Excel and people make of a CSV is the same alias."""
    assert sorted({*_faces(content)}) == LI_NA


def test_no_file_and_a_header_alone_hold_nothing(tmp_path: Path) -> None:
    """Neither is an error."""
    home = new_home(tmp_path)
    assert dict(aliasing.read_aliases(lake_of(home)).of) == {"face_aliases": (), "tag_aliases": ()}
    assert _faces(FACE_HEADER) == []


FACES_WRONG: dict[str, tuple[str | bytes, str]] = {
    "it is empty": ("", "line 1: is empty and no column job_id: let it begin with job_id,name"),
    "no header": ("job-1,x,Li\n", "line 1: has 'job-1,x,Li' and no column job_id: let it begin"),
    "semicolons": ("job_id;name;person\na;b;c\n", "line 1: .* save it as CSV with commas"),
    "a column twice": ("job_id,name,person,Name\n", "line 1: two columns are named name: rename"),
    "GBK": (
        f"{FACE_HEADER}job-1,x,y\njob-1,未知人脸1,Li Na\n".encode("gbk"),
        r"line 3: is not UTF-8, but GBK perhaps: save it as CSV in UTF-8 \(in Excel: CSV UTF-8\)",
    ),
    "UTF-16": (f"{FACE_HEADER}a,b,c\n".encode("utf-16"), "line 1: is not UTF-8"),
    "UTF-16 without a mark": ("job_id,name".encode("utf-16-le"), "line 1: .* UTF-16 perhaps"),
    "a comma without quotes": (
        f"{FACE_HEADER}\njob-1,x,Li, Na\n",
        "line 3: has 4 cells, the header 3: put what holds a comma into double quotes",
    ),
    "a quote left open": (
        f'{FACE_HEADER}job-1,x,Li\njob-1,"y,Li\njob-1,z,Li\n',
        "line 3: a double quote is not closed",
    ),
    "no name": (f"{FACE_HEADER}job-1, ,Li\n", "line 2: name is empty: fill it in, or remove"),
    "no person": (f"{FACE_HEADER}job-1,x\n", "line 2: person is empty: fill it in, or remove"),
    "an unknown face of every job": (
        f"{FACE_HEADER},未知人脸12,Li\n",
        "line 2: 未知人脸12 is somebody else in every job: give the job_id of this one",
    ),
    "two persons": (
        f"{FACE_HEADER}job-1,x,Li\n\njob-1,x,Wang\n",
        "line 4: x is Wang, but Li in line 2: remove one of the lines",
    ),
    "many": (
        f"{FACE_HEADER}" + "job-1,,Li\n" * 5,
        "line 2: name is empty.*; line 3: .*; line 4: .*; and 2 more lines are wrong",
    ),
    "a circle": (
        f"{FACE_HEADER},a,b\n,b,c\n,c,b\n",
        r"line 2: names lead in a circle, a -> b -> c -> b \(lines 2, 3, 4\): remove one",
    ),
}


@pytest.mark.parametrize("case", FACES_WRONG)
def test_a_wrong_file_names_line_and_remedy(case: str) -> None:
    """Each error says which file, which line, what is wrong and what to do; nothing was changed."""
    text, said = FACES_WRONG[case]
    with pytest.raises(AliasError, match=f"^aliases/face_aliases.csv, {said}") as caught:
        _faces(text)
    assert str(caught.value).endswith("; nothing was changed")


def test_a_kind_that_is_none_is_refused() -> None:
    """An unknown kind names those there are, or the one that was meant; case does not matter."""
    with pytest.raises(
        AliasError, match=r"line 2: there is no kind entitys: did you mean entity\?"
    ):
        _tags(f"{TAG_HEADER}entitys,a,b\n")
    with pytest.raises(AliasError, match="give tag, category, entity, hotword, free_tag, or noth"):
        _tags(f"{TAG_HEADER}person,a,b\n")
    assert _tags(f"{TAG_HEADER}Entity ,a,b\n") == [Alias("entity", "a", "b")]


def test_chains_are_followed_to_their_end() -> None:
    """A kind goes on by its own aliases, then by those of every kind; a name may stay as it is."""
    tags = _tags(
        f"{TAG_HEADER},Auto,Car\n,Car,Motor car\ntag,Car,Vehicle\ntag,Kfz,Auto\n"
        ",Keep,Keep\n,Old,Keep\nentity,Auto,Auto\n"
    )
    # tag Kfz: Auto by every kind, then Car of its own kind; Auto of every kind: Motor car.
    assert [(a.scope, a.name, a.target) for a in resolve(TAGS, tags)] == [
        ("", "Auto", "Motor car"),
        ("", "Car", "Motor car"),
        ("", "Keep", "Keep"),
        ("", "Old", "Keep"),
        ("entity", "Auto", "Auto"),
        ("tag", "Car", "Vehicle"),
        ("tag", "Kfz", "Vehicle"),
    ]


def test_a_circle_through_a_kind_is_found() -> None:
    """What leads on from a kind to all and back is one, too."""
    with pytest.raises(AliasError, match=r"circle, A -> B -> A \(lines 2, 3\)"):
        _tags(f"{TAG_HEADER}tag,A,B\n,B,A\n")


def test_a_sheet_is_written_back_as_it_was() -> None:
    """Other columns, their order, mark and line ends stay; only the row that is meant changes."""
    content = codecs.BOM_UTF8 + b'Note,person,name,job_id\r\n"a, b",Li,x,job-1\r\n'
    sheet = parse_sheet(FACES.path, FACES.columns, content)
    assert encode_sheet(sheet) == content
    assert sheet.others == ("Note",)
    changed = aliasing.put(FACES, sheet, Alias("job-1", "x", "Wang"))
    changed = aliasing.put(FACES, changed, Alias("", "y", "Li"))
    assert encode_sheet(changed) == content.replace(b",Li,x", b",Wang,x") + b",Li,y,\r\n"
    assert encode_sheet(aliasing.take(FACES, changed, Alias("", "y", ""))) == encode_sheet(
        aliasing.put(FACES, sheet, Alias("job-1", "x", "Wang"))
    )


# The command line


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Runs every test in an empty folder, without settings of ours in the environment."""
    for name in [name for name in os.environ if name.startswith("COGNITION_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """Returns a function that runs `cognition` on the home; it returns code, stdout and stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([*words, "--home", str(tmp_path / "home")])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def _file(home: Settings, file: aliasing.AliasFile = FACES) -> Path:
    return Path(home.lake_root) / file.path


def test_a_face_is_named_renamed_and_let_go(cli: Cli, tmp_path: Path) -> None:
    """Each command says what it did and what comes next, and writes the CSV Excel opens."""
    home = new_home(tmp_path / "home")
    face = ("alias", "face", "未知人脸1")
    code, out, _ = cli(*face, "Li Na", "--job", "job-1")
    assert (code, out.split("\n")[0]) == (0, "alias       未知人脸1 in job job-1 is Li Na")
    assert "next        cognition load" in out
    assert _file(home).read_bytes() == (
        codecs.BOM_UTF8 + "job_id,name,person\r\njob-1,未知人脸1,Li Na\r\n".encode()
    )
    assert "is Li Na already" in cli(*face, "Li Na", "--job", "job-1")[1]
    assert "is 李娜, not Li Na any more" in cli(*face, "李娜", "--job", "job-1")[1]
    assert _faces(_file(home).read_bytes()) == [("job-1", "未知人脸1", "李娜")]
    code, out, _ = cli("alias", "remove", "face", "未知人脸1", "--job", "job-1")
    assert (code, out.split("\n")[0]) == (0, "alias       未知人脸1 in job job-1 is no longer 李娜")
    assert _faces(_file(home).read_bytes()) == []


def test_aliases_are_listed(cli: Cli, tmp_path: Path) -> None:
    """The list shows faces and tags as they stand, and what lies there unread, also as JSON."""
    home = new_home(tmp_path / "home")
    assert "none: see cognition alias face --help" in cli("alias", "list")[1]
    cli("alias", "face", "张伟", "Zhang Wei")
    cli("alias", "tag", "Automobile", "Car")
    cli("alias", "tag", "CCTV-1", "China Central Television", "--kind", "Tag")
    _file(home).with_name("faces.csv").touch()
    _file(home).with_name("~$face_aliases.xlsx").touch()
    code, out, err = cli("alias", "list")
    assert code == 0
    assert out.splitlines() == [
        "faces       1 alias",
        "            张伟 is Zhang Wei",
        "tags        2 aliases",
        "            Automobile is Car",
        "            tag CCTV-1 is China Central Television",
    ]
    assert err == (
        "warning: aliases/faces.csv is not read: aliases/face_aliases.csv and "
        "aliases/tag_aliases.csv are\n"
    )
    listed = json.loads(cli("alias", "list", "--json")[1])
    assert [each["target"] for each in listed["tags"]] == ["Car", "China Central Television"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["face", "未知人脸1", "Li Na"],
            "未知人脸1 is somebody else in every job: give the job_id",
        ),
        (["face", " ", "Li Na"], "name is empty"),
        (["face", "a", ""], "person is empty"),
        (["face", "Zhang", "张伟"], "names lead in a circle, Zhang -> 张伟 -> Zhang"),
        (["tag", "a", "b", "--kind", "tags"], "there is no kind tags: did you mean tag?"),
        (["remove", "face", "张"], "aliases/face_aliases.csv has no such alias of 张: see `cog"),
        (["remove", "tag", "Auto"], "give its kind as it is there: tag"),
        (["remove", "face", "张伟", "--job", "j"], "give its job_id as it is there: none"),
    ],
)
def test_what_is_no_alias_is_refused(cli: Cli, tmp_path: Path, words: list[str], said: str) -> None:
    """A wrong alias is one clear line, exit code 2, and changes nothing."""
    home = new_home(tmp_path / "home")
    cli("alias", "face", "张伟", "Zhang")
    cli("alias", "tag", "Auto", "Car", "--kind", "tag")
    before = tree(Path(home.lake_root))
    code, out, err = cli("alias", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert tree(Path(home.lake_root)) == before


def test_without_a_lake_there_are_no_aliases(cli: Cli, tmp_path: Path) -> None:
    """A mistyped home is told of, and no lake is made there."""
    code, _, err = cli("alias", "face", "a", "b")
    assert code == 2
    assert "no lake at" in err
    assert not (tmp_path / "home").exists()


def test_aliases_may_come_before_the_lake(tmp_path: Path) -> None:
    """A folder of aliases alone is no foreign place: a lake can be made around it."""
    home = Settings(home=tmp_path / "home")
    _file(home).parent.mkdir(parents=True)
    _file(home).write_text(f"{FACE_HEADER},a,b\n")
    storage = lake.open_lake(home.lake_root, create=True)
    assert aliasing.read_aliases(storage).of["face_aliases"] == (Alias("", "a", "b"),)


def test_a_damaged_file_is_not_written_over(cli: Cli, tmp_path: Path) -> None:
    """Where the file cannot be read, the command says so and leaves it."""
    home = new_home(tmp_path / "home")
    content = f"{FACE_HEADER}job-1,未知人脸1,Li Na\n".encode("gbk")
    _file(home).parent.mkdir()
    _file(home).write_bytes(content)
    code, _, err = cli("alias", "face", "a", "b")
    assert code == 2
    assert "aliases/face_aliases.csv, line 2: is not UTF-8" in err
    assert _file(home).read_bytes() == content


def test_changes_at_once_are_all_kept(tmp_path: Path) -> None:
    """Of many that change the file at the same time, none takes another's alias away."""
    home = new_home(tmp_path)
    start = threading.Barrier(8)

    def name(number: int) -> None:
        start.wait()
        pipeline.set_alias(home, FACES, "", f"face {number}", "Li Na")

    threads = [threading.Thread(target=name, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pipeline.list_aliases(home).faces) == 8


# The warehouse


def _video(title: str) -> bytes:
    box = {"leftTop": [1, 2], "rightBottom": [3, 4]}
    seen = [{"from": 1.0, "to": 2.5, "score": -1.0, "position": box, "timestamp": 1.0}]
    return success(
        (
            "VideoLabel",
            {
                "persons": [
                    {"name": "未知人脸1", "category": "unknown", "occurrences": seen},
                    {"name": "张伟", "category": "celebrity", "occurrences": seen},
                ],
                "tags": [{"mainTagName": "Object", "subTagName": "Automobile"}],
            },
        ),
        ("Meta", {"title": title}),
    )


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two batches, of a job with the same names each, that is published."""
    batches = ([Landing("job-1", _video("one"))], [Landing("job-2", _video("two"))])
    settings = new_home(tmp_path_factory.mktemp("loaded") / "home", *batches)
    pipeline.flatten(settings)
    pipeline.load(settings)
    return settings.home


@pytest.fixture
def home(loaded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A copy of that home, of the test's own."""
    # Hundreds of checks that nothing here can fail, at each of many loads.
    monkeypatch.setattr(checks, "derive_checks", lambda _: [])
    return Settings(home=Path(shutil.copytree(loaded, tmp_path / "home")))


LABELS = "SELECT job_id, kind, label FROM labels ORDER BY ALL"


def _rows(home: Settings, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in pipeline.query(home, sql).to_pylist()]


def _aliases_of(home: Settings) -> list[list[tuple[Any, ...]]]:
    return [_rows(home, f"FROM {file.table} ORDER BY ALL") for file in FILES]


def test_a_face_of_an_old_batch_is_named_without_flattening(home: Settings) -> None:
    """An unknown face of history becomes a person, synonyms one label; the batches stay as is."""
    before = tree(Path(home.lake_root))
    assert _rows(home, LABELS)[:3] == [
        ("job-1", "person", "张伟"),
        ("job-1", "tag", "Automobile"),
        ("job-1", "unknown_face", "未知人脸1"),
    ]
    pipeline.set_alias(home, FACES, "job-1", "未知人脸1", "Li Na")
    pipeline.set_alias(home, FACES, "", "张伟", "Zhang Wei")
    pipeline.set_alias(home, TAGS, "", "Automobile", "Car")
    report = pipeline.load(home)
    assert (report.load.unchanged, report.load.loaded, report.load.replaced) == (2, (), ())
    assert report.load.aliases == {"faces": 2, "tags": 1, "by_hand": 0}
    assert report.load.aliases_changed
    assert report.publish.changed
    assert _rows(home, LABELS) == [
        ("job-1", "person", "Li Na"),
        ("job-1", "person", "Zhang Wei"),
        ("job-1", "tag", "Car"),
        ("job-2", "person", "Zhang Wei"),
        ("job-2", "tag", "Car"),
        ("job-2", "unknown_face", "未知人脸1"),
    ]
    said = "SELECT kind, label, start_seconds, end_seconds FROM timeline WHERE label = 'Li Na'"
    assert _rows(home, said) == [("person", "Li Na", 1.0, 2.5)]
    after = tree(Path(home.lake_root))
    assert {path: after[path] for path in before} == before
    assert after.keys() - before.keys() == {FACES.path, TAGS.path}


def test_only_a_change_is_published(home: Settings) -> None:
    """An alias that is new, changed or gone makes a new version; nothing new makes none."""
    pipeline.set_alias(home, FACES, "job-1", "未知人脸1", "Li Na")
    assert pipeline.load(home).publish.changed
    again = pipeline.load(home)
    assert (again.publish.changed, again.load.aliases_changed) == (False, False)
    content = _file(home).read_bytes()
    _file(home).write_bytes(content + b"\r\n,,\r\n" + content.splitlines()[1])
    assert not pipeline.load(home).publish.changed  # the same alias twice, and a blank line
    pipeline.set_alias(home, FACES, "job-1", "未知人脸1", "Wang")
    assert pipeline.load(home).publish.changed
    assert _aliases_of(home)[0] == [("job-1", "未知人脸1", "Wang", FACES.path)]
    _file(home).unlink()
    report = pipeline.load(home)
    assert (report.publish.changed, report.load.aliases["faces"]) == (True, 0)
    assert _aliases_of(home) == [[], []]


def test_rows_by_hand_are_kept_and_go_first(home: Settings) -> None:
    """What was put into the build stays over loads and publishes, whatever the files say."""
    pipeline.set_alias(home, FACES, "job-1", "未知人脸1", "of the file")
    pipeline.set_alias(home, TAGS, "", "Automobile", "Car")
    pipeline.load(home)
    change_build(
        home.warehouse_dir,
        "INSERT INTO face_aliases VALUES ('job-1', '未知人脸1', 'by hand', NULL)",
        "INSERT INTO face_aliases VALUES ('job-2', '未知人脸1', 'by hand', NULL)",
    )
    with pytest.raises(PublishError, match="has not passed its checks"):
        pipeline.publish(home)
    for _ in range(2):
        report = pipeline.load(home)
        assert report.load.aliases == {"faces": 2, "tags": 1, "by_hand": 2}
        assert report.load.notes == (
            "aliases/face_aliases.csv: line 2 (未知人脸1) gives way to what was put in by hand",
        )
        assert _aliases_of(home) == [
            [("job-1", "未知人脸1", "by hand", None), ("job-2", "未知人脸1", "by hand", None)],
            [("", "Automobile", "Car", TAGS.path)],
        ]
    assert not report.publish.changed
    assert not pipeline.status(home).waiting_aliases


def test_chains_of_files_end_with_what_was_put_in_by_hand(home: Settings) -> None:
    """A name of a file that leads to one put in by hand shows what that shows, and no further."""
    for name, target in (("Automobile", "Car"), ("Car", "Vehicle"), ("Machine", "Thing")):
        pipeline.set_alias(home, TAGS, "", name, target)
    pipeline.load(home)
    assert _aliases_of(home)[1][0] == ("", "Automobile", "Vehicle", TAGS.path)
    change_build(
        home.warehouse_dir,
        "INSERT INTO tag_aliases VALUES ('', 'Car', 'Machine', NULL), ('', 'Thing', 'Gear', NULL)",
    )
    for _ in range(2):
        report = pipeline.load(home)
        assert _aliases_of(home)[1] == [
            ("", "Automobile", "Machine", TAGS.path),
            ("", "Car", "Machine", None),
            ("", "Machine", "Gear", TAGS.path),
            ("", "Thing", "Gear", None),
        ]
    assert not report.publish.changed
    assert not pipeline.status(home).waiting_aliases
    change_build(
        home.warehouse_dir, "UPDATE tag_aliases SET label = 'Automobile' WHERE name = 'Car'"
    )
    pipeline.load(home)
    assert _aliases_of(home)[1][0] == ("", "Automobile", "Automobile", TAGS.path)  # no circle


def test_a_row_by_hand_that_is_no_alias_stops_the_publish(home: Settings, cli: Cli) -> None:
    """An empty name or target in the build is named by the load, and marts stay as they were."""
    published = _rows(home, LABELS)
    change_build(home.warehouse_dir, "INSERT INTO tag_aliases VALUES ('', 'Automobile', '', NULL)")
    code, _, err = cli("load")
    assert code == 2
    assert "alias_keys (1 rows)" in " ".join(err.split())
    assert _rows(home, LABELS) == published


def test_a_rebuild_has_the_aliases_of_the_files(home: Settings) -> None:
    """A build made anew from the lake holds what the one that grew holds, but for rows by hand."""
    pipeline.set_alias(home, FACES, "job-1", "未知人脸1", "Nina")
    pipeline.set_alias(home, FACES, "job-1", "Nina", "Li Na")
    pipeline.set_alias(home, TAGS, "tag", "Automobile", "Car")
    pipeline.load(home)
    pipeline.set_alias(home, TAGS, "entity", "Automobile", "Car")
    pipeline.load(home)
    grown, labels = _aliases_of(home), _rows(home, LABELS)
    assert grown[0] == [
        ("job-1", "Nina", "Li Na", FACES.path),
        ("job-1", "未知人脸1", "Li Na", FACES.path),
    ]
    change_build(home.warehouse_dir, "INSERT INTO tag_aliases VALUES ('', 'a', 'b', NULL)")
    (home.warehouse_dir / "build.duckdb").unlink()
    assert not pipeline.load(home).publish.changed  # the same content is published already
    assert (_aliases_of(home), _rows(home, LABELS)) == (grown, labels)


def test_a_wrong_file_stops_the_load_and_changes_nothing(home: Settings, cli: Cli) -> None:
    """The load names file and line; the build and what is published stay, until it is mended."""
    pipeline.set_alias(home, FACES, "job-1", "未知人脸1", "Li Na")
    pipeline.load(home)
    published = _rows(home, LABELS)
    good = _file(home).read_bytes()
    _file(home).write_bytes(good + b"job-1,,nobody\r\n")
    _file(home, TAGS).write_bytes(f"{TAG_HEADER},Automobile,Car\n".encode())
    code, _, err = cli("load")
    wrong = "aliases/face_aliases.csv, line 3: name is empty: fill it in, or remove the alias"
    assert (code, err) == (2, f"error: {wrong}; nothing was changed\n")
    assert ask_build(home.warehouse_dir, "FROM tag_aliases") == []
    assert _rows(home, LABELS) == published
    _, out, err = cli("status")
    assert f"warning: {wrong}" in err
    _file(home).write_bytes(good)
    code, out, _ = cli("load")
    assert code == 0
    assert "aliases     faces 1, tags 1; changed" in out


def test_status_tells_that_aliases_wait(home: Settings, cli: Cli) -> None:
    """A changed alias alone is something to load, so that the next run of the DAGs does it."""
    assert not pipeline.status(home).waiting_aliases
    pipeline.set_alias(home, TAGS, "", "Automobile", "Car")
    assert pipeline.status(home).waiting_aliases
    out = cli("status")[1]
    assert "the aliases of the lake are not in it yet" in out
    assert "next        cognition load" in out
    pipeline.load(home)
    assert not pipeline.status(home).waiting_aliases
    assert pipeline.status(home).aliases_error is None


def test_an_alias_that_fits_nothing_is_a_warning(home: Settings, cli: Cli) -> None:
    """A load tells of names that are found nowhere, shows one and where all of them are."""
    pipeline.set_alias(home, TAGS, "", "automobile", "Car")
    pipeline.set_alias(home, FACES, "job-1", "未知人脸9", "Li Na")
    pipeline.set_alias(home, FACES, "job-of-tomorrow", "未知人脸1", "Li Na")
    code, out, _ = cli("load")
    told = " ".join(out.split())
    assert code == 0
    assert "warn tag_aliases_found: 1 row; Is each label that has an alias found" in told
    assert '"hint":"the service writes Automobile"' in told
    assert "warn face_aliases_found: 1 row; Is each face that has an alias seen" in told
    assert '"hint":"faces of this job: 张伟, 未知人脸1"' in told
    assert 'see cognition query "FROM check_failures"' in told
    found = cli("query", "SELECT check_name FROM check_failures ORDER BY 1")[1]
    assert "face_aliases_found" in found


def test_a_job_that_comes_later_is_named_at_once(home: Settings) -> None:
    """Aliases are there before the jobs they are for."""
    pipeline.set_alias(home, FACES, "job-3", "未知人脸1", "Li Na")
    report = pipeline.load(home)
    assert "face_aliases_found" not in [check.name for check in report.checks.failed]
    new_home(home.home, [Landing("job-3", _video("three"))])
    pipeline.flatten(home)
    pipeline.load(home)
    said = "SELECT job_id FROM labels WHERE label = 'Li Na'"
    assert _rows(home, said) == [("job-3",)]


def test_a_warehouse_from_before_aliases_gets_them(home: Settings) -> None:
    """A build whose tables are older is brought up to date, and published anew."""
    for folder in ("build", "warehouse"):
        file = home.warehouse_dir / f"{folder}.duckdb"
        file.chmod(0o644)
        with duckdb.connect(file) as connection:
            for view in ("timeline", "labels"):
                connection.execute(f"DROP VIEW {view}")
            connection.execute("DROP TABLE face_aliases")
    pipeline.set_alias(home, FACES, "job-1", "未知人脸1", "Li Na")
    assert pipeline.status(home).waiting_aliases
    assert pipeline.load(home).publish.changed
    assert _aliases_of(home)[0] == [("job-1", "未知人脸1", "Li Na", FACES.path)]


def test_aliases_lie_in_an_object_store_as_well() -> None:
    """Where there are no locks and no renaming they are put and read the same."""
    storage = ObjectStore().storage()
    alias = make_alias(FACES, "", " a ", "b")
    aliasing.edit(storage, FACES, lambda sheet: aliasing.put(FACES, sheet, alias))
    assert aliasing.read_aliases(storage).of["face_aliases"] == (Alias("", "a", "b"),)
