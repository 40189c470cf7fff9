"""Measures the search on the corpus, and writes the table of docs/search.md.

    python -m tests.search.corpus [--seeds 1000] [--starts 20] [NAME ...]

With names, the rows of these applications are
measured anew, and the others stay.
"""

from __future__ import annotations

import argparse

from . import CORPUS
from .measuring import Row, measured, read_rows, write_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="runs until it is not found")
    parser.add_argument("--starts", type=int, default=20, help="searches of which a median is told")
    parser.add_argument("names", nargs="*", help="applications; all, if there is none")
    given = parser.parse_args()
    for application in CORPUS:
        if given.names and application.name not in given.names:
            continue
        row = measured(application, given.seeds, given.starts)
        print(row.text, flush=True)
        rows: dict[str, Row] = {each.name: each for each in read_rows()}
        rows[row.name] = row
        write_rows([rows[each.name] for each in CORPUS if each.name in rows])


if __name__ == "__main__":
    main()
