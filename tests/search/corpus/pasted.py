"""Runs programs to paste on the Python that runs this: says for which cause each of them fails.

From standard input: the programs by the names of the applications. To standard output: the causes.
Both are JSON.
"""

from __future__ import annotations

import json
import sys

from . import CORPUS
from .measuring import pasted


def main() -> None:
    programs = json.load(sys.stdin)
    causes = {
        each.name: pasted(each, programs[each.name]) for each in CORPUS if each.name in programs
    }
    json.dump(causes, sys.stdout)


if __name__ == "__main__":
    main()
