r"""Plans of cities: seeded, of any size, of all classes, at the photographs' scale."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, maximum_filter

from ecgan.data.fetch.aerial import COLOURS
from ecgan.data.plans import CLASSES, ROAD, plan, plans


def test_a_plan_depends_on_size_and_seed_alone():
    assert np.array_equal(plan(96, 64, seed=3), plan(96, 64, seed=3))
    assert not np.array_equal(plan(96, 64, seed=3), plan(96, 64, seed=4))
    assert np.array_equal(plans(3, height=64, width=32, seed=5)[2], plan(64, 32, seed=7))


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (128, 128)])
def test_any_size(size):
    made = plan(*size, seed=0)
    assert made.shape == size
    assert made.dtype == np.uint8
    assert made.max() < len(CLASSES)


def test_a_size_that_is_none_is_refused():
    with pytest.raises(ValueError, match="a plan of 5 x 0 pixels: sizes must be 1 or more"):
        plan(0, 5, seed=0)


def test_the_classes_are_the_photographs_and_all_of_them_occur():
    assert tuple(COLOURS) == CLASSES
    made = plans(24, height=160, width=160, seed=0)
    shares = np.bincount(made.ravel(), minlength=5) / made.size
    assert shares.min() > 0.02
    assert shares.argmax() == CLASSES.index("land")


def test_streets_are_as_wide_as_the_photographs():
    road = plan(256, 256, seed=1) == ROAD
    inside = distance_transform_edt(road)
    ridge = (inside == maximum_filter(inside, 5)) & road
    typical = np.median(2 * inside[ridge])
    assert 5 <= typical <= 15
