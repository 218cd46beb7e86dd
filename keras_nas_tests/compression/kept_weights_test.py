import keras
import numpy as np
import tensorflow as tf

from keras_nas.compression.kept_weights import KeptWeights


def variable(array, name="layer/kernel"):
    return tf.Variable(np.asarray(array, "float32"), name=name)


def test_zeros_are_put_back():
    kernel = variable([[0.0, 1.0], [2.0, 3.0]])
    kept_weights = KeptWeights([kernel])
    kernel.assign([[5.0, 6.0], [0.0, 8.0]])
    kept_weights.put_back()
    # What became zero meanwhile is free to change on.
    np.testing.assert_array_equal(kernel, [[0, 6], [0, 8]])


def test_shared_values_are_set_to_their_mean():
    kernel = variable([[1.0, 1.0, 2.0], [2.0, 0.0, 1.0]])
    kept_weights = KeptWeights([kernel])
    kernel.assign([[1.0, 2.0, 4.0], [5.0, 0.5, 6.0]])
    tf.function(kept_weights.put_back)()
    np.testing.assert_allclose(kernel, [[3, 3, 4.5], [4.5, 0, 3]])
    assert len(np.unique(kernel.numpy())) == 3


def test_zeros_only():
    kernel = variable([[1.0, 1.0], [2.0, 0.0]])
    kept_weights = KeptWeights([kernel], zeros_only=[kernel])
    kernel.assign([[1.0, 2.0], [3.0, 4.0]])
    kept_weights.put_back()
    np.testing.assert_array_equal(kernel, [[1, 2], [3, 0]])


def test_nothing_changes_without_a_step():
    rng = np.random.default_rng(0)
    array = rng.normal(size=7).astype("float32")[rng.integers(7, size=(99, 99))]
    kernel = variable(array)
    kept_weights = KeptWeights([kernel])
    for _ in range(3):
        kept_weights.put_back()
    np.testing.assert_array_equal(kernel, array)


def test_what_is_no_pruned_or_clustered_kernel_is_left_alone():
    rng = np.random.default_rng(0)
    assert not KeptWeights(
        [
            variable(rng.normal(size=(80, 80))),
            # Some thousand values, many of them twice.
            variable(rng.normal(size=(20, 400)).round(3) + 10),
            variable(np.zeros((4, 4))),
            variable(np.ones((4, 4))),
            variable([[0.0, 1.0], [1.0, 0.0]], "lstm/bias"),
            variable([0.0, 1.0, 1.0]),
        ]
    )


def test_a_layer_may_have_a_name_with_bias_and_be_of_keras():
    layer = keras.layers.Dense(2, use_bias=False, name="bias_layer")
    layer.build((None, 2))
    layer.set_weights([np.array([[0.0, 1.0], [2.0, 3.0]])])
    kept_weights = KeptWeights(layer.weights)
    layer.set_weights([np.full((2, 2), 7.0)])
    kept_weights.put_back()
    np.testing.assert_array_equal(layer.get_weights()[0], [[0, 7], [7, 7]])
    kernel = variable([[0.0, 1.0], [2.0, 3.0]], "bias_layer/kernel")
    assert KeptWeights([kernel])
