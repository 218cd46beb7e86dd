import keras
import numpy as np
import pytest

import keras_nas as nas
from keras_nas.supernet.gradient import (
    DARTSSearch,
    GDASSearch,
    HessianStopping,
    SearchData,
)
from keras_nas_tests.supernet.gradient.toys import build, set_logits


def test_it_looks_at_averages_a_window_apart():
    rule = HessianStopping(ratio=0.75, window=2)
    # Averages: 1, 1, 1, 1.2, 1.4: of two epochs ago, 1 / 1.4 < 0.75.
    assert rule.chosen([1.0, 1.0, 1.0, 1.4]) is None
    assert rule.chosen([1.0, 1.0, 1.0, 1.4, 1.4]) == 2
    assert rule.chosen([1.0, 9.0]) is None  # Too early to say.
    assert rule.chosen([3.0, 2.0, 1.0, 1.0, 1.0]) is None
    assert rule.chosen([-3.0, -3.0, -2.0, -2.0, -1.0]) is None


def test_a_search_that_becomes_sharp_stops_and_goes_back():
    """The Hessian of a squared error grows with the targets."""
    search = DARTSSearch(
        nas.Supernet(build, seed=0),
        epochs=9,
        warmup_epochs=1,
        alpha_optimizer=keras.optimizers.SGD(0.0),
        early_stopping=HessianStopping(window=1),
    )
    x = np.linspace(-1, 1, 16, dtype="float32")[:, None]
    small, large = (
        SearchData(x, -y * x, batch_size=8, alpha_data=(x, -y * x))
        for y in (1.0, 30.0)
    )
    # The weights stay, so that only the targets change anything.
    search.supernet.optimizer.learning_rate.assign(0.0)
    for epoch, data in enumerate([small, small, small, large]):
        assert not search.is_finished
        set_logits(search, 0.0, float(epoch), 0.0)
        search.run_epoch(data)
    assert search.is_finished
    measured = [logs.get("eigenvalue") for logs in search.history]
    assert measured[0] is None  # Of the warm-up.
    assert measured[3] > measured[2] / 0.75
    # The alphas of the epoch before the last.
    assert search.probabilities()["op"][1] == pytest.approx(
        np.exp(2) / (2 + np.exp(2))
    )


def test_a_search_without_a_mixture_is_refused():
    with pytest.raises(ValueError, match="GDASSearch(.|\n)*SkipStopping"):
        GDASSearch(
            nas.Supernet(build, seed=0), 2, early_stopping=HessianStopping()
        )


@pytest.mark.parametrize(
    "arguments", [{"ratio": 0}, {"ratio": 1}, {"window": 0}, {"window": 1.5}]
)
def test_bad_arguments_are_named(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=rf"`{name}`(.|\n)*{name}="):
        HessianStopping(**arguments)
