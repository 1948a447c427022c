"""The runner: what is done is kept, any joblib backend serves it, and files say what was found."""

import json
import re
import sys
from pathlib import Path

import pytest

from qring.cli.main import main
from qring.paper import runner
from qring.paper.claim import Effort
from qring.paper.markdown import claims_page, with_table
from qring.paper.runner import as_json, run, selected, shards_of

joblib = pytest.importorskip("joblib")
pytest.importorskip("scipy")

ROOT = Path(__file__).parents[2]
FEW = ("noise-erodes", "lemma-1", "figure-1")


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    claims = selected(FEW)
    real, ran = runner.run_shard, []

    def failing(shard):
        if len(ran) == 3:
            raise KeyboardInterrupt
        ran.append(shard)
        return real(shard)

    monkeypatch.setattr(runner, "run_shard", failing)
    with pytest.raises(KeyboardInterrupt):
        run(claims, effort=Effort.QUICK, seed=1, folder=tmp_path, jobs=1)
    first = list(ran)
    monkeypatch.setattr(runner, "run_shard", lambda shard: (ran.append(shard), real(shard))[1])
    whole = run(claims, effort=Effort.QUICK, seed=1, folder=tmp_path, jobs=1)
    assert len(first) == 3
    assert sorted(ran) == sorted(shards_of(claims, Effort.QUICK, 1))  # each exactly once
    assert whole == run(claims, effort=Effort.QUICK, seed=1, jobs=1)
    ran.clear()
    assert run(claims, effort=Effort.QUICK, seed=1, folder=tmp_path, jobs=1) == whole
    assert not ran
    # Files that are damaged, or of another seed, count as not done.
    next(tmp_path.glob("lemma-1.*.json")).write_text("{")
    run(claims, effort=Effort.QUICK, seed=1, folder=tmp_path, jobs=1)
    assert [shard.claim for shard in ran] == ["lemma-1"]
    ran.clear()
    run(claims, effort=Effort.QUICK, seed=2, folder=tmp_path, jobs=1)
    assert len(ran) == len(shards_of(claims, Effort.QUICK, 2))


def test_a_full_run_draws_more_of_the_same():
    claims = selected(("lemma-1",))
    quick, full = (set(shards_of(claims, effort, 0)) for effort in (Effort.QUICK, Effort.FULL))
    assert quick < full
    (found,) = run(claims, effort=Effort.FULL, seed=0, jobs=1)
    (short,) = run(claims, effort=Effort.QUICK, seed=0, jobs=1)
    assert found.confirmed
    assert found.figures[1].trials == 8 * short.figures[1].trials


@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_serves_the_same_figures():
    distributed = pytest.importorskip("distributed")
    claims = selected(FEW)
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            host="127.0.0.1",
        ) as cluster,
        distributed.Client(cluster) as client,
        joblib.parallel_config(backend="dask"),
    ):
        served = run(claims, effort=Effort.QUICK, seed=3)
        places = client.run(lambda: "qring.paper.runner" in sys.modules)
    assert any(places.values())  # the work was done in the cluster's own processes
    assert served == run(claims, effort=Effort.QUICK, seed=3, jobs=1)


def test_the_command_writes_claims_and_a_page(tmp_path, capsys):
    words = ["reproduce", "--quick", "--jobs", "1", "--out", str(tmp_path)]
    for name in FEW:
        words += ["--claim", name]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "agree" not in printed  # with whom? the verdict and the paper have a column each
    assert printed.count("2 of 2 met") == 1  # figure 1: both of the paper's numbers
    answer = json.loads((tmp_path / "claims.json").read_text())
    assert [claim["id"] for claim in answer["claims"]] == ["figure-1", "noise-erodes", "lemma-1"]
    for claim in answer["claims"]:
        assert claim["confirmed"]
        for figure in claim["figures"]:
            assert figure["low"] <= figure["measured"] <= figure["high"]
    page = (tmp_path / "report.html").read_text()
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", page)


def test_a_contradicted_verdict_is_said_and_ends_with_status_1(tmp_path, monkeypatch, capsys):
    def wrong(shard):
        shard, sums = runner_run_shard(shard)
        return shard, sums._replace(total=sums.total + sums.trials)

    runner_run_shard = runner.run_shard
    monkeypatch.setattr(runner, "run_shard", wrong)
    words = ["reproduce", "--quick", "--jobs", "1", "--claim", "figure-1", "--out", str(tmp_path)]
    assert main(words) == 1
    assert "contradict" in capsys.readouterr().out
    assert "contradict" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    "words",
    [["--claim", "theorem-9"], ["--jobs", "0"], ["--seed", "-1"], ["--out", "{file}/x"]],
    ids=["claim", "jobs", "seed", "out"],
)
def test_bad_input_is_one_line(words, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    words = [word.format(file=tmp_path / "file") for word in words]
    assert main(["reproduce", "--out", str(tmp_path), *words]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_json_is_what_the_outcomes_say():
    found = run(selected(("cut-bound",)), effort=Effort.QUICK, seed=0, jobs=1)
    (claim,) = as_json(found, effort=Effort.QUICK, seed=0)["claims"]
    assert claim["verdict"] == "does not hold as stated"
    assert [figure["measured"] for figure in claim["figures"]] == [1.0, 1.5, 1.75]
    assert json.loads(json.dumps(claim)) == claim


def test_readme_and_documentation_show_the_claims_as_they_are():
    text = (ROOT / "README.md").read_text()
    assert with_table(text) == text, "python -m qring.paper.markdown brings it up to date"
    assert (ROOT / "docs/claims.md").read_text() == claims_page()


def test_curves_are_drawn_once_and_fit_into_a_page(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    from qring.paper.curves.curve import draw

    few = tuple(curve for curve in runner.CURVES if curve.id in ("factor-two", "pooled-noise"))
    monkeypatch.setattr(runner, "CURVES", few)
    data = runner.run_curves(seed=0, folder=tmp_path, jobs=1)
    monkeypatch.delattr(runner, "measure")  # nothing is measured again
    assert runner.run_curves(seed=0, folder=tmp_path, jobs=1) == data
    drawn = draw(data, tmp_path / "plots")
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {
        f"{curve.id}.{kind}" for curve in few for kind in ("svg", "png", "json")
    }
    for name, picture in drawn.items():
        assert picture.svg.startswith("<svg role=")
        assert "currentColor" in picture.svg
        ids = re.findall(r'\bid="([^"]+)"', picture.svg)
        assert len(set(ids)) == len(ids)
        assert all(each.startswith(name) for each in ids)
    columns = data[0][1]
    assert columns["bits"] == pytest.approx(columns["ring"])
    assert columns["qubits"] == pytest.approx([each / 2 for each in columns["ring"]])
