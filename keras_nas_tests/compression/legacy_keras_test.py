import os
import subprocess
import sys

import pytest

IMPORTS = {
    "TensorFlow first": "import tensorflow as tf; import keras_nas",
    "keras_nas first": "import keras_nas; import tensorflow as tf",
    "TF-MOT first": (
        "import tensorflow_model_optimization; import tensorflow as tf; "
        "tf.keras.layers; import keras_nas"
    ),
    "tf_keras first": "import tf_keras; import tensorflow as tf; import "
    "keras_nas",
}

CHECK = """
import os
import keras
import keras_tuner
import numpy as np
from keras_nas.compression import Bridge

model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
bridge = Bridge(model)
assert type(bridge.model).__module__.startswith("tf_keras"), bridge.model
assert tf.keras.layers.Dense is keras.layers.Dense, tf.keras.layers.Dense
assert "TF_USE_LEGACY_KERAS" not in os.environ
assert tf.keras.__version__.startswith("3"), tf.keras.__version__
# Both train in one process.
for trained in (model, bridge.model):
    trained.compile("sgd", "mse")
    trained.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
print("fine")
"""


@pytest.mark.parametrize("order", IMPORTS)
def test_tf_keras_of_the_user_stays_keras_3(order):
    run = subprocess.run(
        [sys.executable, "-c", IMPORTS[order] + CHECK],
        capture_output=True,
        text=True,
    )
    assert run.stdout.endswith("fine\n"), run.stderr[-2000:]


def test_who_asks_for_keras_2_keeps_it():
    code = (
        "import tensorflow as tf; import keras_nas; "
        "from keras_nas.compression.legacy_keras import import_tfmot; "
        "import_tfmot(); import os; "
        "print(os.environ['TF_USE_LEGACY_KERAS'], "
        "tf.keras.layers.Dense.__module__)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"TF_USE_LEGACY_KERAS": "1"},
    )
    assert run.stdout.startswith("1 tf_keras."), run.stderr[-2000:]
