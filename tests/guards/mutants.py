"""Run chosen tests on a package with one fault planted at a time, and report pytest's exit status.

Started as a script of its own with a JSON list of mutants; heavy packages are imported once, and
each mutant runs in a fork of that, with an import hook that plants its fault. Nothing is written
into the source tree.
"""

import importlib.abc
import importlib.machinery
import json
import os
import resource
import sys
import traceback
from pathlib import Path

NOT_PLANTED = 9  # no exit status of pytest's
SECONDS = 40  # of CPU time


class Planted(importlib.machinery.SourceFileLoader):
    """Loads a module with ``old`` replaced by ``new`` in its source, past any cached bytecode."""

    def __init__(self, name, path, old, new):
        super().__init__(name, path)
        self.old, self.new = old, new

    def get_code(self, fullname):
        source = Path(self.path).read_text()
        if self.old not in source:
            os._exit(NOT_PLANTED)
        return compile(source.replace(self.old, self.new), self.path, "exec")


class Planter(importlib.abc.MetaPathFinder):
    def __init__(self, module, old, new):
        self.module, self.old, self.new = module, old, new

    def find_spec(self, name, path, target=None):
        if name != self.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        spec.loader = Planted(name, spec.origin, self.old, self.new)
        return spec


def run(mutant, log):
    """Exit status of the mutant's tests, in a fork."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))  # a fault may loop for ever
    with log.open("w") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
        status = NOT_PLANTED
        try:
            import pytest

            if mutant["module"]:
                sys.meta_path.insert(0, Planter(mutant["module"], mutant["old"], mutant["new"]))
            options = ["-q", "-x", "--tb=line", "--noconftest", "--import-mode=importlib"]
            settings = ["-c", str(log.with_name("pytest.ini")), "--rootdir", os.curdir]
            status = int(pytest.main([*options, *settings, *mutant["tests"]]))
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def main():
    mutants, logs = json.loads(sys.stdin.read()), Path(sys.argv[1])
    for heavy in ("numpy", "pytest", "scipy.stats", "stim", "qiskit_aer.primitives"):
        importlib.import_module(heavy)
    print(json.dumps([run(mutant, logs / f"{k}.log") for k, mutant in enumerate(mutants)]))


if __name__ == "__main__":
    main()
