"""Check two claims of the paper on a Dask cluster; any joblib backend works the same way.

pip install 'qring[reproduce]' distributed; python examples/reproduce_on_dask.py
"""

import distributed
import joblib

from qring.paper.claim import Effort
from qring.paper.runner import run, selected


def main() -> None:
    """Start a local cluster; for one that runs elsewhere, give ``Client`` its address."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        for outcome in run(selected(["lemma-1", "noise-erodes"]), effort=Effort.FULL, seed=0):
            print(outcome.claim.title, "—", outcome.claim.verdict.value)
            for figure in outcome.figures:
                print(
                    f"    {figure.name}: {figure.measured:.4g} (predicted {figure.predicted:.4g})"
                )


if __name__ == "__main__":
    main()
