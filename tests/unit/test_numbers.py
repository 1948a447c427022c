"""One vocabulary of numbers for the whole command line."""

import contextlib
from argparse import ArgumentTypeError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qring import numbers
from qring.cli.main import main


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12), ("1e6", 10**6), ("1_000", 1000), ("2^-40", 2.0**-40), ("2^.5", 2**0.5),
        ("10^3", 1000), ("-0.5", -0.5), (".5", 0.5), ("5.", 5), ("1E3", 1000), ("0^0", 1),
        ("-2^3", -8), (" 7 ", 7),
    ],
)  # fmt: skip
def test_numbers_are_read(text, value):
    assert numbers.number()(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "x", "nan", "inf", "1e400", "-1e400", "0^-1", "2^1e5", "-2^.5", "1^", "^2", "1e99999",
     "1__", "0x10", "١", "1e", "9" * 100, "2^2^2", "1/3", "10^(-3)", "1e9999^9", "0x1p3"],
)  # fmt: skip
def test_what_is_no_number_is_refused_in_one_line(text):
    for read in (numbers.number(), numbers.whole, numbers.probability, numbers.size, numbers.seed):
        try:
            value = read(text)
        except ArgumentTypeError as error:
            said = str(error)
        else:
            said = ""
            assert np.isfinite(float(value))
        assert "\n" not in said
        assert len(said) < 200
    if text not in ("1__",):
        with pytest.raises(ArgumentTypeError):
            numbers.number()(text)


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300))
def test_what_python_prints_is_read_back_to_the_bit(value):
    assert numbers.number()(repr(value)) == value


@given(st.text(max_size=30) | st.text("0123456789.eE^-+_kMGTiB", max_size=30))
def test_any_text_is_read_or_refused(text):
    for read in (numbers.number(), numbers.whole, numbers.probability, numbers.size, numbers.seed):
        with contextlib.suppress(ArgumentTypeError):
            assert np.isfinite(float(read(text)))


def test_whole_numbers_and_ranges():
    assert numbers.whole("1e6") == 10**6
    for read, text in (
        (numbers.whole, "1.5"), (numbers.whole, "2^-1"), (numbers.seed, "-1"),
        (numbers.seed, "2^63"), (numbers.train_seed, "2^32"), (numbers.probability, "1"),
        (numbers.probability, "0"), (numbers.at_least(2, 5), "6"),
    ):  # fmt: skip
        with pytest.raises(ArgumentTypeError):
            read(text)
    assert numbers.seed("9223372036854775807") == 2**63 - 1


def test_sizes_have_units():
    assert numbers.size("25MB") == 25 * 10**6
    assert numbers.size("1.5 GiB") == 3 * 2**29
    assert numbers.size("4096") == 4096
    for text in ("25mb", "-1MB", "MB", "1e30TB", "1.2.3kB"):
        with pytest.raises(ArgumentTypeError):
            numbers.size(text)


ABSURD = """\
privacy --epsilon 0^-1
privacy --epsilon 2^1e5
privacy --epsilon=-2^.5
privacy --epsilon 1e-300
privacy --workers 2^40
allreduce W --protocol vga --word-bits 4 --epsilon 2^-1060
allreduce W --protocol ghz --word-bits 4 --readout shots --failure 1e-320
allreduce W --protocol ghz --word-bits 4 --readout sequential --visibility .9 --failure 1e-320
allreduce W --protocol ghz --word-bits 4 --adversary plus-state --adversary-copies 9e99
allreduce W --protocol ghz --word-bits 4 --adversary plus-state --adversary-copies 9{20}
allreduce W --protocol secagg --word-bits 16 --dp-epsilon 1 --dp-clip 1e200
allreduce W --protocol secagg --word-bits 16 --dp-epsilon 1 --dp-clip 1e-200
allreduce W --noise 1e400
gapip w0.npy w1.npy --margin 1e-5 --error .01 --strategy maximum_likelihood
gapip w0.npy w1.npy --margin 1e-300 --error .01 --strategy kitaev
gapip w0.npy w1.npy --margin .1 --error 1e-300 --strategy maximum_likelihood
tieaudit s.npy m.npy --epsilon 1e-300 --delta .1
circuit ghz --shots 10 --seed 9223372036854775808
circuit ghz --phases 1e308,1 --format qasm3
circuit ghz --shots 5 --device w0.npy
train --epsilon 0^-1
train --seed 2^32
train --dp-clip 1e200""".splitlines()


@pytest.mark.parametrize("line", ABSURD)
def test_absurd_numbers_end_in_one_line(tmp_path, monkeypatch, capsys, line):
    monkeypatch.chdir(tmp_path)
    for k in range(3):
        np.save(f"w{k}.npy", np.ones(4, "f4"))
    np.save("s.npy", np.array([1, -1]))
    np.save("m.npy", np.array([[0, 1]]))
    assert main(line.replace("W", "w0.npy w1.npy w2.npy").replace("9{20}", "9" * 20).split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [text.startswith("qring: ") for text in err.splitlines()[-1:]] == [True]
    assert "Traceback" not in err


def test_numbers_of_training_are_those_of_all_commands():
    import argparse

    from qring.training.settings import TrainSettings, add_arguments

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = ["--protocol", "private", "--epsilon", "2^-40", "--batch", "1e2", "--epochs", "2^3"]
    settings = TrainSettings.from_arguments(parser.parse_args(words))
    assert (settings.epsilon, settings.batch, settings.epochs) == (2.0**-40, 100, 8)
