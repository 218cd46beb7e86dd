"""KerasTuner's own hypermodels are searched unchanged."""

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

import keras_nas as nas
from keras_nas_tests.tuners.tiny_searches import trials_of

IMAGES = np.random.default_rng(0).random((4, 32, 32, 3)).astype("float32")
LABELS = keras.utils.to_categorical([0, 1, 0, 1])


@pytest.fixture
def eager():
    """Runs without graphs: for so few images, tracing would take longest."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def smallest_resnet():
    """Restricts `HyperResNet` to its smallest depth, as its users do."""
    hp = keras_tuner.HyperParameters()
    hp.Fixed("conv3_depth", 4)
    hp.Fixed("conv4_depth", 6)
    return hp


@pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental")
def test_hyper_resnet_is_trained(tmp_path, eager, smallest_resnet):
    tuner = nas.RandomSearch(
        keras_tuner.applications.HyperResNet(
            input_shape=(32, 32, 3), classes=2
        ),
        "val_accuracy",
        max_trials=1,
        hyperparameters=smallest_resnet,
        seed=0,
        directory=tmp_path,
    )
    tuner.search(IMAGES, LABELS, validation_data=(IMAGES, LABELS), verbose=0)
    ((_, status, score, values),) = trials_of(tuner)
    assert status == "COMPLETED"
    assert score in (0, 0.25, 0.5, 0.75, 1)
    assert values["conv3_depth"] == 4
    assert {"version", "pooling", "optimizer", "learning_rate"} < set(values)


def test_hyper_resnet_is_evolved(tmp_path, smallest_resnet):
    class Parameters(nas.evaluators.Evaluator):
        def evaluate(self, candidate):
            return {"parameters": candidate.build().count_params()}

    tuner = nas.RegularizedEvolution(
        keras_tuner.applications.HyperResNet(
            input_shape=(32, 32, 3), classes=2
        ),
        keras_tuner.Objective("parameters", "min"),
        max_trials=3,
        population_size=2,
        hyperparameters=smallest_resnet,
        evaluator=Parameters(),
        seed=0,
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    trials = trials_of(tuner)
    assert [status for _, status, *_ in trials] == ["COMPLETED"] * 3
    # The version decides the number of parameters.
    sizes = {values["version"]: score for *_, score, values in trials}
    assert len(sizes) == len(set(sizes.values()))


@pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental")
def test_hyper_xception_is_trained(tmp_path, eager):
    hp = keras_tuner.HyperParameters()
    hp.Fixed("num_residual_blocks", 2)
    hp.Fixed("sep_num_filters", 128)
    tuner = nas.RegularizedEvolution(
        keras_tuner.applications.HyperXception(
            input_shape=(32, 32, 3), classes=2
        ),
        "val_accuracy",
        max_trials=2,
        hyperparameters=hp,
        seed=0,
        directory=tmp_path,
    )
    tuner.search(IMAGES, LABELS, validation_data=(IMAGES, LABELS), verbose=0)
    assert [t[1] for t in trials_of(tuner)] == ["COMPLETED"] * 2
    (model,) = tuner.get_best_models()
    _, accuracy = model.evaluate(IMAGES, LABELS, verbose=0)
    assert accuracy == tuner.oracle.get_best_trials()[0].score


class Conditional(keras_tuner.HyperModel):
    """As in KerasTuner's guide: scopes, name scopes and nested ones."""

    def build(self, hp):
        inputs = x = keras.Input((4,))
        model_type = hp.Choice("model_type", ["linear", "deep"])
        with hp.conditional_scope("model_type", ["deep"]):
            if model_type == "deep":
                for i in range(hp.Int("num_layers", 1, 3)):
                    with hp.name_scope(f"layer_{i}"):
                        units = hp.Int("units", 2, 8, step=2)
                    x = keras.layers.Dense(units)(x)
                if hp.Boolean("dropout"):
                    with hp.conditional_scope("dropout", [True]):
                        x = keras.layers.Dropout(
                            hp.Float("rate", 0.1, 0.5, step=0.1)
                        )(x)
        with hp.conditional_scope("model_type", ["linear"]):
            if model_type == "linear":
                x = keras.layers.Dense(
                    2, use_bias=hp.Boolean("use_bias", default=True)
                )(x)
        model = keras.Model(inputs, keras.layers.Dense(1)(x))
        model.compile(
            keras.optimizers.SGD(hp.Float("lr", 1e-3, 1e-1, sampling="log")),
            "mse",
        )
        return model


class CountParameters(nas.evaluators.Evaluator):
    def evaluate(self, candidate):
        return {"val_loss": float(candidate.build().count_params())}


@pytest.mark.parametrize("kind", [nas.RandomSearch, nas.RegularizedEvolution])
def test_a_conditional_hypermodel_is_searched_on_all_sides(tmp_path, kind):
    tuner = kind(
        Conditional(),
        "val_loss",
        max_trials=24,
        seed=0,
        evaluator=CountParameters(),
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    trials = trials_of(tuner)
    assert [status for _, status, *_ in trials] == ["COMPLETED"] * 24
    seen = set()
    for *_, score, values in trials:
        seen |= set(values)
        if values["model_type"] == "linear":
            assert set(values) == {"model_type", "use_bias", "lr"}
            # (4 + bias) * 2 weights, then 2 + 1.
            assert score == (4 + values["use_bias"]) * 2 + 3
        else:
            assert "use_bias" not in values
            widths = [4]
            for i in range(values["num_layers"]):
                widths.append(values[f"layer_{i}/units"])
            widths.append(1)
            assert score == sum(
                (a + 1) * b for a, b in zip(widths, widths[1:], strict=False)
            )
            assert ("rate" in values) == values["dropout"]
    assert {"use_bias", "num_layers", "layer_2/units", "rate"} < seen
    best = tuner.get_best_hyperparameters()[0]
    assert tuner.hypermodel.build(best).count_params() == min(
        score for *_, score, _ in trials
    )
