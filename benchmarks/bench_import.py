"""What does ``import qring`` cost a program that needs NumPy anyway?

Rival: ``import numpy`` alone, in fresh interpreters, in turn. The ratio is of median wall times,
the start of the interpreter taken off both.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

TARGET = 1.3


def seconds(statement: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a list of cases")
    parser.add_argument("--quick", action="store_true", help="few repetitions")
    arguments = parser.parse_args()
    statements = ("pass", "import numpy", "import qring")
    for statement in statements:  # the first import writes byte code
        seconds(statement)
    repeats = 3 if arguments.quick else 15
    rows = [[seconds(statement) for statement in statements] for _ in range(repeats)]
    start, numpy, qring = (statistics.median(column) for column in zip(*rows, strict=True))
    ratio = (qring - start) / (numpy - start)
    if arguments.json:
        print(json.dumps([{"case": "import qring", "ratio": ratio, "target": TARGET}]))
    else:
        print(f"import qring takes {ratio:.2f}x of import numpy (target: at most {TARGET}x)")


if __name__ == "__main__":
    main()
