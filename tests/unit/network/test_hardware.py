"""Profiles: what they say, what they refuse, and files read and written."""

import dataclasses
import json
import math

import pytest

import qring
from qring.network.hardware import files, sequence, squidasm
from qring.network.hardware.figure import Figure, Provenance
from qring.network.hardware.profile import FIGURES, Profile
from qring.network.hardware.registry import PROFILES, add_profile, find_profile


def stated(value, unit="", **more):
    return Figure(value=value, unit=unit, source="test", date="2026",
                  standing=Provenance.ASSUMED, **more)  # fmt: skip


def profile(**more):
    given = {"name": "mine", "title": "my link", "pairs_per_s": stated(100.0, "1/s"),
             "fidelity": stated(0.9), "t2_s": stated(1.0, "s")}  # fmt: skip
    return Profile(**{**given, **more})


def test_every_figure_of_published_hardware_says_where_it_is_from():
    assert len(PROFILES) >= 17
    for name, found in PROFILES.items():
        assert found.name == name
        assert found.assumptions
        assert found.references
        for figure in FIGURES:
            value = getattr(found, figure)
            if value is not None:
                assert value.source, (name, figure)
                assert value.date, (name, figure)
                assert value.standing in Provenance


def test_post_selected_pairs_and_links_without_memory_cannot_be_stored():
    with pytest.raises(qring.InputError, match="post-selected pairs.*cannot be stored"):
        find_profile("spdc").memory()
    with pytest.raises(qring.InputError, match="has no memory"):
        profile(t2_s=None).memory()
    assert find_profile("ions-rate").memory().decay.t2_s == 3600
    assert not any(p.storable for p in PROFILES.values() if p.post_selected)


@pytest.mark.parametrize("name", list(PROFILES))
def test_a_profile_is_what_was_written(name, tmp_path):
    path = tmp_path / "one.json"
    files.write(path, PROFILES[name])
    assert find_profile(str(path)) == PROFILES[name]


def test_users_add_profiles():
    add_profile(profile())
    try:
        assert find_profile("mine").latency_s == 0
        with pytest.raises(qring.InputError, match="there is a profile 'mine' already"):
            add_profile(profile())
    finally:
        del PROFILES["mine"]
    faster = profile().but(pairs_per_s=1e6, capacity_pairs=10.0)
    assert faster.pairs_per_s.value == 1e6
    assert faster.memory().capacity == 10


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: profile(pairs_per_s=stated(-1.0, "1/s")), "pairs_per_s of mine must be at least"),
        (lambda: profile(fidelity=stated(1.01)), "fidelity of mine must be.*at most 1"),
        (lambda: profile(t1_s=stated(0.4, "s")), "more than twice T1"),
        (lambda: profile(capacity_pairs=stated(0.0, "pairs")), "capacity_pairs of mine"),
        (lambda: profile(capacity_pairs=stated(0.5, "pairs")), "keeps nothing"),
        (lambda: profile(t2_s=stated(1.0, "ms")), "is in 'ms'; give it in 's'"),
        (lambda: profile(weights=(0.5, 0.5, 0.0, 0.0)), "weights of mine start with 0.5"),
        (lambda: profile(name=""), "name is a text"),
        (lambda: stated(math.nan), "must be"),
        (lambda: stated(2.0, low=0.0, high=1.0), "outside its range"),
        (lambda: find_profile("telepathy"), "there is no hardware 'telepathy': use ideal"),
        (lambda: profile().but(speed=3.0), "speed is not a figure: use"),
    ],
)
def test_what_no_link_has_is_refused(make, message):
    with pytest.raises(qring.InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "x"}, "schema"),
        ({"pairs_per_s": "many"}, "pairs_per_s got 'many'; use a number"),
        ({"pairs_per_s": True}, "pairs_per_s got True"),
        ({"colour": 1}, "no 'colour'"),
        ({"fidelity": {"value": 0.9, "standing": "sure"}}, "standing of fidelity is 'sure'"),
        ({"fidelity": {"worth": 0.9}}, "no 'worth'"),
        ({"weights": [1]}, "four numbers"),
        ({"assumptions": "none"}, "list of texts"),
        ({"t2_s": -1}, "t2_s of mine must be"),
    ],
)
def test_files_that_are_no_profiles_get_one_line(change, message, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({**files.as_dict(profile()), **change}))
    with pytest.raises(qring.InputError, match=message) as caught:
        find_profile(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_get_one_line(tmp_path):
    for content, message in ((b"{", "is not JSON"), (b"\xff\xfe", "not UTF-8"),
                             (b" " * (1 << 21), "longer than")):  # fmt: skip
        path = tmp_path / "x.json"
        path.write_bytes(content)
        with pytest.raises(qring.InputError, match=message):
            find_profile(str(path))
    with pytest.raises(qring.InputError, match="cannot read"):
        find_profile(str(tmp_path / "none.json"))


SQUIDASM = """
stacks:
  - name: alice
    qdevice_typ: generic
    qdevice_cfg: {T1: 1.0e+10, T2: 1.0e+9}
  - name: bob
    qdevice_typ: generic
    qdevice_cfg: {T1: 0, T2: 5.0e+9}
links:
  - {stack1: alice, stack2: bob, typ: depolarise,
     cfg: {fidelity: 0.9, prob_success: 0.25, t_cycle: 1000}}
  - {stack1: alice, stack2: carol, typ: heralded,
     cfg: {length: 20, p_loss_length: 0.2, detector_efficiency: 0.8, visibility: 0.9}}
  - {stack1: bob, stack2: carol, typ: perfect}
"""


def test_links_of_squidasm_are_read_and_written(tmp_path):
    pytest.importorskip("yaml")
    path, again = tmp_path / "network.yaml", tmp_path / "again.yaml"
    path.write_text(SQUIDASM)
    links = squidasm.read_links(path)
    first = links["alice", "bob"]
    assert first.pairs_per_s.value == pytest.approx(250_000)
    assert first.noise == qring.BellDiagonal.werner(0.9)
    assert (first.t1_s.value, first.t2_s.value) == (10.0, 1.0)
    second = links["alice", "carol"]
    assert second.fidelity.value == pytest.approx(0.95)  # opposite clicks, contrast .9
    assert second.pairs_per_s.value == pytest.approx((0.8 * 10**-0.2) ** 2 / 2 * 2e5 / 20)
    assert links["bob", "carol"].pairs_per_s.value == math.inf
    squidasm.write_links(again, links)
    for ends, found in squidasm.read_links(again).items():
        assert found.pairs_per_s.value == pytest.approx(links[ends].pairs_per_s.value)
        assert found.fidelity.value == pytest.approx(links[ends].fidelity.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("links: 3", "no list 'links'"),
        ("links: [{stack1: a, stack2: b, typ: nv, cfg: {}}]", "type 'nv' is not known"),
        ("links: [{stack1: a, stack2: b, typ: heralded, cfg: {}}]", "needs 'length'"),
        ("links: [{stack1: a, stack2: b, typ: depolarise, cfg: {fidelity: 0.9}}]", "needs 'prob_"),
        ("links: [{stack1: a, typ: perfect}]", "needs 'stack1' and 'stack2'"),
        ("links: [{stack1: a, stack2: b, typ: heralded, cfg: {length: 1, colour: 2}}]", "colour"),
        ("links: [!!python/object/apply:os.getcwd []]", "is not YAML"),
        ("a: [", "is not YAML"),
    ],
)
def test_other_files_are_not_taken_for_squidasm(text, message, tmp_path):
    pytest.importorskip("yaml")
    path = tmp_path / "network.yaml"
    path.write_text(text)
    with pytest.raises(qring.InputError, match=message) as caught:
        squidasm.read_links(path)
    assert "\n" not in str(caught.value)


def test_links_of_sequence_are_read_and_written(tmp_path):
    path = tmp_path / "network.json"
    wanted = dataclasses.replace(profile(), distance_km=stated(10.0, "km"))
    sequence.write_links(path, {("r1", "r2"): wanted})
    found = sequence.read_links(path)["r1", "r2"]
    assert found.pairs_per_s.value == pytest.approx(100.0)
    assert (found.fidelity.value, found.distance_km.value, found.t2_s.value) == (0.9, 10.0, 1.0)
    network = json.loads(path.read_text())
    assert network["qconnections"][0]["distance"] == 10_000
    network["qconnections"][0]["type"] = "qhop"
    path.write_text(json.dumps(network))
    with pytest.raises(qring.InputError, match="link r1-r2: a type 'qhop' is not read"):
        sequence.read_links(path)
    path.write_text("{}")
    with pytest.raises(qring.InputError, match="no list 'qconnections'"):
        sequence.read_links(path)
    with pytest.raises(qring.InputError, match="has no length"):
        sequence.write_links(path, {("a", "b"): profile()})
