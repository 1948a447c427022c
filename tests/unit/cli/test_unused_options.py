"""Options that what was chosen does not use are refused by name, with what uses them."""

import numpy as np
import pytest

from qring.cli.main import main
from qring.errors import InputError
from qring.network.noise import BellDiagonal
from qring.registry import PROTOCOLS
from qring.training.settings import TrainSettings


@pytest.fixture
def files(tmp_path):
    paths = [str(tmp_path / f"worker{k}.npy") for k in range(3)]
    for path in paths:
        np.save(path, np.linspace(-1, 1, 5))
    return paths


def refused(capsys, *words):
    status = main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert status == 2
    assert out == ""
    assert len(err.splitlines()) == 1
    return err


VALUES = {
    "--noise": "0.1", "--visibility": "0.9", "--readout": "kitaev", "--failure": "1e-3",
    "--announce": "broadcast", "--distribute": "star", "--checksum": None,
    "--adversary": "plus-state", "--adversary-copies": "0", "--dishonest": "1",
    "--verification": "hashed", "--epsilon": "2^-40", "--phase-checks": "20", "--check-block": "9",
    "--copies-factor": "2", "--tolerated": "0", "--masks": "nowhere", "--tested-share": "0.5",
    "--online-check": "required", "--code": "auto", "--emulate": "sampled",
    "--sparse": None, "--dropout-rate": "0.1", "--corruption-rate": "0.1",
    "--threshold": "3", "--allow-nonfinite": None, "--topology": "tree", "--schedule": "a.json",
    "--inside": "superdense", "--inside-noise": "0.1", "--qubit-noise": "0.01",
}  # fmt: skip
OPTIONS = sorted({o for c in PROTOCOLS.values() for use in c.uses for o in use.options})
CASES = [
    (protocol, option)
    for protocol, choice in PROTOCOLS.items()
    for option in OPTIONS
    if not any(option in use.options for use in choice.uses)
]


def test_every_option_of_a_protocol_has_a_sample():
    assert sorted(VALUES) == OPTIONS
    assert len(CASES) > 50


@pytest.mark.parametrize(("protocol", "option"), CASES)
def test_allreduce_refuses_what_the_protocol_does_not_use(capsys, files, protocol, option):
    value = [VALUES[option]] if VALUES[option] is not None else []
    words = ("allreduce", *files, "--protocol", protocol, "--word-bits", 8, option, *value)
    error = refused(capsys, *words)
    assert f"{option} is not used by {protocol}; " in error
    users = [name for name, c in PROTOCOLS.items() if any(option in u.options for u in c.uses)]
    assert all(user in error.partition(";")[2] for user in users)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--protocol", "superdense", "--adversary", "plus-state"], "ghz, vga and private use it"),
        (["--protocol", "classical", "--noise", "0"], "--noise is not used by classical"),
        (["--word-bits", 8, "--allow-nonfinite"], "is not used by superdense with --word-bits"),
        (["--protocol", "ghz", "--word-bits", 8, "--readout", "coded", "--failure", 1e-9],
         "--failure is used by ghz with --readout digits or"),
        (["--protocol", "vga", "--word-bits", 8, "--copies-factor", 3],
         "is used by vga with --verification cut-and-choose only"),
        (["--protocol", "vga", "--word-bits", 8, "--verification", "cut-and-choose", "--epsilon",
          "0.1"], "is used by vga with --verification hashed only"),
        (["--protocol", "private", "--word-bits", 8, "--masks", "m", "--visibility", 1],
         "is not used by private with --masks"),
        (["--word-bits", 16, "--dp-clip", 1], "--dp-clip is used with --dp-epsilon only"),
        (["--word-bits", 16, "--threshold", 3], "with --on-dropout fallback only"),
    ],
)  # fmt: skip
def test_allreduce_refuses_what_other_options_make_void(capsys, files, words, said):
    assert said in refused(capsys, "allreduce", *files, *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "--protocol", "private", "--noise", "0.1"], "superdense uses it"),
        (["train", "--visibility", "1"], "is not used by superdense; ghz, vga and private use it"),
        (["train", "--word-bits", "16"], "is not used by superdense; ghz, vga, private and secagg"),
        (["train", "--protocol", "ghz", "--masks", "m"], "private uses it"),
        (["train", "--protocol", "secagg", "--epsilon", "0.1"], "vga and private use it"),
        (["train", "--protocol", "ghz", "--dp-delta", "1e-5"], "with --dp-epsilon only"),
        (["train", "--protocol", "ghz", "--dp-epsilon", "1", "--clip", "1"], "with --dp-epsilon"),
        (["train", "--audit-every", "50"], "is used with --audit only"),
        (["attack", "--attack", "gradient-inversion", "--protocol", "ghz"], "--protocol is not"),
        (["attack", "--attack", "plus-state", "--protocol", "ghz", "--images", "9"],
         "gradient-inversion uses it"),
        (["attack", "--attack", "plus-state", "--protocol", "ghz", "--withstood", "2"],
         "private uses it"),
        (["attack", "--attack", "plus-state", "--protocol", "ghz", "--epsilon", "0.1"],
         "vga uses it"),
        (["attack", "--attack", "plus-state", "--protocol", "vga", "--copies-factor", "3"],
         "--verification cut-and-choose only"),
        (["masks", "nowhere", "--word-bits", "8"], "--word-bits is used with --make only"),
        (["device", "FakeTorino", "--line", "3", "--qubits", "0,1"], "with --qubits"),
        (["circuit", "ghz", "--phases", "0,0", "--workers", "5"], "for 2 workers, not for"),
        (["circuit", "stabiliser-test", "--stabiliser=+XX", "--workers", "3"], "for 2 workers"),
        (["circuit", "ghz", "--json"], "--json is used with --shots only"),
        (["circuit", "ghz", "--seed", "1"], "--seed is used with --shots only"),
        (["circuit", "ghz", "--shots", "9", "--format", "stim"], "is not used with --shots"),
        (["circuit", "phase-digits", "--words", "11,6,13", "--sum-bits", "4"],
         "the sum 30 takes 5 bits"),
        (["circuit", "ghz", "--phases", "1e17,0"], "outside [-1e+15, 1e+15]"),
        (["circuit", "superdense", "--storage", "1e305"], "outside [0, 1e+06]"),
    ],
)  # fmt: skip
def test_other_commands_refuse_what_they_do_not_use(capsys, words, said):
    assert said in refused(capsys, *words)


@pytest.mark.parametrize(
    "settings",
    [
        {"noise": BellDiagonal(x=0.1), "protocol": "private"},
        {"visibility": 0.9},
        {"word_bits": 8},
        {"dp_delta": 1e-6, "protocol": "ghz"},
    ],
)
def test_settings_of_training_refuse_what_the_protocol_does_not_use(settings):
    with pytest.raises(InputError, match=r"is not used by|is used with --dp-epsilon only"):
        TrainSettings(**settings)


def test_the_run_compared_with_keeps_what_both_use():
    noisy = TrainSettings(noise=BellDiagonal(x=0.1), epochs=3, seed=5)
    assert noisy.compared() == TrainSettings(protocol="classical", epochs=3, seed=5)
    words = TrainSettings(protocol="ghz", word_bits=8, dp_epsilon=1.0, dp_delta=1e-6)
    assert words.compared() == TrainSettings(protocol="classical")
