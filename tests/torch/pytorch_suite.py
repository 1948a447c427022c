"""Run PyTorch's own distributed test-suite, as shipped in its wheel, against the backend.

    python tests/torch/pytorch_suite.py [--backend qring|gloo] [--ranks 3] [-k NAME] [--json FILE]

The suite decides by the backend's name which cases apply. It is told "gloo", and groups of Gloo's
name are made with the backend under test. Cases that look at the name, or at Gloo itself, cannot
pass and are listed in ``NOT_OURS`` with the reason. Prints every case that fails, and exits 1 if
there is one. What remains to say is whether Gloo passes it: run it with ``--backend gloo``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
import unittest
import warnings
from pathlib import Path

NOT_OURS = {
    "test_backend_full_group": "asserts the backend's name",
    "test_backend_group": "asserts the backend's name",
    "test_get_backend": "asserts the backend's name",
    "monitored_barrier": "torch.distributed.monitored_barrier refuses all backends but Gloo's own",
    "test_new_subgroups_with_group_param": "asserts the backend's name",
}


def suite_class(backend: str) -> type[unittest.TestCase]:
    """The suite's case for processes, forked from this one so that imports are done once."""
    import torch.distributed as dist
    from torch.testing._internal import common_distributed
    from torch.testing._internal.distributed import distributed_test

    import qring.torch

    assert qring.torch
    common_distributed.TIMEOUT_DEFAULT = 60
    if backend != "gloo":
        _rename(dist, backend)

    class Suite(distributed_test.TestDistBackend, distributed_test.DistributedTest._DistTestBase):
        def setUp(self) -> None:
            super().setUp()
            self._start_processes(multiprocessing.get_context("fork").Process)

    return Suite


def _rename(dist: object, backend: str) -> None:
    for module in (dist, dist.distributed_c10d):
        for name in ("init_process_group", "new_group"):
            original = getattr(module, name)

            def renamed(*arguments: object, _original: object = original, **keywords: object):
                if arguments and arguments[0] == "gloo":
                    arguments = (backend, *arguments[1:])
                if keywords.get("backend") == "gloo":
                    keywords["backend"] = backend
                return _original(*arguments, **keywords)

            setattr(module, name, renamed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", default="qring")
    parser.add_argument("--ranks", type=int, default=3)
    parser.add_argument("-k", dest="name", default="")
    parser.add_argument("--json", type=Path, help="write {case: outcome} there")
    arguments = parser.parse_args()
    os.environ.update(
        BACKEND="gloo", WORLD_SIZE=str(arguments.ranks), INIT_METHOD="file:///tmp/none"
    )
    os.environ.setdefault("TEMP_DIR", "/tmp")  # noqa: S108
    warnings.simplefilter("ignore")
    case = suite_class(arguments.backend)
    outcomes: dict[str, str] = {}
    for name in unittest.TestLoader().getTestCaseNames(case):
        if arguments.name not in name:
            continue
        reason = next((why for part, why in NOT_OURS.items() if part in name), None)
        if reason and arguments.backend != "gloo":
            outcomes[name] = f"not ours: {reason}"
            continue
        result, start = unittest.TestResult(), time.monotonic()
        case(name).run(result)
        bad = [*result.failures, *result.errors]
        if bad:
            outcomes[name] = "failed"
            print(f"{name}: {time.monotonic() - start:.1f} s\n{bad[0][1][-1500:]}", flush=True)
        elif result.skipped:
            outcomes[name] = f"skipped: {result.skipped[0][1]}"
        else:
            outcomes[name] = "passed"
    if arguments.json:
        arguments.json.write_text(json.dumps(outcomes, indent=1))
    for kind in ("passed", "failed", "skipped", "not ours"):
        names = [name for name, outcome in outcomes.items() if outcome.startswith(kind)]
        print(f"{kind}: {len(names)}")
        if kind in ("failed", "not ours"):
            print("".join(f"  {name}: {outcomes[name]}\n" for name in names), end="")
    return int(any(outcome == "failed" for outcome in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
