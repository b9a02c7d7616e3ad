"""Writes or checks what is generated; see the package."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from transforms.contract import Contracts, load_contracts
from transforms.docs.catalog import View, read_catalog
from transforms.docs.dbt import sources
from transforms.docs.diagram import PICTURE, er_diagram
from transforms.docs.dictionary import data_dictionary
from transforms.docs.picture import draw

_NOTE = "Generated from schemas/ and sql/ by `python -m transforms.docs`: do not edit."


def pages(contracts: Contracts, views: Sequence[View]) -> dict[str, str]:
    """Returns every generated file by its path below `docs/`."""
    return {
        "data-dictionary.md": f"<!-- {_NOTE} -->\n\n{data_dictionary(contracts, views)}",
        "erd.md": f"<!-- {_NOTE} -->\n\n{er_diagram(contracts)}",
        PICTURE: f"<!-- {_NOTE} -->\n{draw(contracts)}",
        "dbt/sources.yml": f"# {_NOTE}\n{sources(contracts, views)}",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the files, or checks them; returns the exit code.

    Args:
        arguments: Words after the program's name; default `sys.argv[1:]`.
    """
    description = "Writes the data dictionary, the ER diagram and dbt's sources.yml."
    parser = argparse.ArgumentParser(prog="python -m transforms.docs", description=description)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    parser.add_argument("--into", type=Path, default=Path("docs"), help="folder of the files")
    given = parser.parse_args(arguments)
    contracts = load_contracts()
    stale = 0
    for name, page in pages(contracts, read_catalog(contracts)).items():
        stale += _check(given.into / name, page) if given.check else _write(given.into / name, page)
    return 1 if stale else 0


def _write(path: Path, page: str) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return 0


def _check(path: Path, page: str) -> int:
    """Returns 1 and tells the first differences when a file is not the page."""
    held = path.read_text(encoding="utf-8") if path.is_file() else ""
    if held == page:
        return 0
    lines = difflib.unified_diff(held.splitlines(), page.splitlines(), str(path), "schemas", n=0)
    shown = "\n".join([*lines][:12])
    sys.stderr.write(f"{path} is out of date: run python -m transforms.docs\n{shown}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
