"""The wheel: one package, everything it needs inside, at work in an empty folder."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REPLIES = Path(__file__).parent / "api_replies"
BUNDLED = ("schemas", "sql", "dags")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Builds the wheel with what is installed here, asking no index."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Installs the wheel alone into a folder."""
    target = tmp_path_factory.mktemp("installed")
    options = ["--no-deps", "--no-index", "--no-compile", "--quiet", "--target", str(target)]
    command = [sys.executable, "-m", "pip", "install", *options, str(wheel)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return target


@pytest.fixture
def python(installed: Path, tmp_path: Path) -> list[str]:
    """Returns a command that runs code with the wheel and its dependencies, without the checkout.

    `-I -S` leaves out the current folder, PYTHON* variables and the `.pth` file that puts the
    checkout on the path; the folder of the dependencies is added without reading that file.
    """
    folder = sysconfig.get_path("purelib")
    runner = tmp_path.parent / f"{tmp_path.name}_run.py"
    runner.write_text(
        f"import sys\nsys.path += [{str(installed)!r}, {folder!r}]\n"
        "code, sys.argv[1:] = sys.argv[1], sys.argv[2:]\nexec(code)\n"
    )
    return [sys.executable, "-I", "-S", str(runner)]


def run(command: list[str], folder: Path) -> str:
    """Returns what a command that must succeed writes to stdout."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_top_level_name(wheel: Path) -> None:
    """The wheel brings one package and its metadata, no `sql`, `schemas`, `dags` or `tests`."""
    names = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"transforms"}


@pytest.mark.parametrize("folder", BUNDLED)
def test_data_is_bundled_whole(wheel: Path, folder: str) -> None:
    """Every schema, SQL and DAG file of the repository is in the wheel, byte for byte."""
    archive = zipfile.ZipFile(wheel)
    prefix = f"transforms/_bundled/{folder}/"
    packed = {n.removeprefix(prefix): archive.read(n) for n in archive.namelist() if prefix in n}
    files = [path for path in (ROOT / folder).rglob("*") if path.suffix in {".json", ".sql", ".py"}]
    assert files
    assert packed.items() >= {
        (path.relative_to(ROOT / folder).as_posix(), path.read_bytes()) for path in files
    }


def test_nothing_of_the_workshop_is_packed(wheel: Path) -> None:
    """No caches, databases, Parquet files or keys are in the wheel; licence and types are."""
    names = zipfile.ZipFile(wheel).namelist()
    assert not [n for n in names if n.endswith((".pyc", ".duckdb", ".parquet", ".env", ".pem"))]
    assert "transforms/py.typed" in names
    assert [n for n in names if n.endswith("LICENSE")]


def test_bundled_copy_is_used(python: list[str], installed: Path, tmp_path: Path) -> None:
    """Away from the checkout, the package is ours and finds its schemas, SQL and DAGs inside."""
    code = (
        "import transforms; from transforms import paths; print(transforms.__file__); "
        "[print(paths.data_dir(n), paths.data_dir(n).is_dir()) for n in ('schemas','sql','dags')]"
    )
    lines = run([*python, code], tmp_path).splitlines()
    assert lines[0] == str(installed / "transforms/__init__.py")
    assert lines[1:] == [f"{installed}/transforms/_bundled/{name} True" for name in BUNDLED]


def test_no_stray_packages(python: list[str], tmp_path: Path) -> None:
    """The wheel makes neither `sql` nor `schemas` nor `dags` importable."""
    code = "from importlib.util import find_spec; print([find_spec(n) for n in sys.argv[1:]])"
    assert run([*python, code, *BUNDLED], tmp_path) == "[None, None, None]\n"


def test_console_script(installed: Path) -> None:
    """The wheel installs `cognition`, which calls the package's `main`."""
    assert "from transforms.cli import main" in (installed / "bin/cognition").read_text()


def test_command_line_works_from_an_empty_folder(python: list[str], tmp_path: Path) -> None:
    """Help, version and the way from a saved reply to an answer work with the wheel alone."""
    code = "from transforms.cli import main; sys.exit(main())"
    cognition = [*python, code]
    assert "Usage: cognition" in run([*cognition, "--help"], tmp_path)
    assert run([*cognition, "--version"], tmp_path).startswith("cognition 0.")
    for words in (["import", str(REPLIES / "meta_title.json")], ["flatten"], ["load"]):
        run([*cognition, *words], tmp_path)
    sql = "SELECT title FROM meta_titles"
    told = run([*cognition, "query", sql, "--format", "csv"], tmp_path)
    assert told.split() == ["title", "example-title-****"]
    assert [path.name for path in tmp_path.iterdir()] == ["cognition-home"]
