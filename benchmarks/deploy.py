"""Measures what becomes of Keras models on their way to a phone.

    python -m benchmarks.deploy --json deploy.json
    python -m benchmarks.deploy --json deploy.json --only digits

`applications`: ten networks of `keras.applications`, random weights, small
input. `difference` is that of the bridged tf_keras model's outputs, relative to
the largest; the rest as in `models`.

`models`: small networks of other kinds. For each of `prune`, `cluster`,
`quantization_aware` and `int8` (without training for it) it is said whether it
`works`: every layer with a kernel was treated, as the report says, and the
`.tflite` file passes `export.verify` against the compressed model, or what was
emulated. It `runs` if its outputs are finite: a deep network of random weights
that was trained for two steps may run and not agree. Depthwise kernels are
neither pruned nor clustered, by TF-MOT either. Where it does not work,
`message` is what a user sees; `skipped` are the layers that were left alone and
why. `share_that_works` is that of the cells which the documentation of TF-MOT
says it supports for tf_keras (`DOCUMENTED`), `share_of_all_cells` that of all,
and `share_that_runs` says how many give a file that runs.

`digits`: a network of 64,418 parameters for the digits of scikit-learn, some
seeds. Accuracy on 450 test images, bytes, gzip bytes, milliseconds of LiteRT in
turns, of the file in float32 and of int8 files after each way to compress.
`NAME_drop` are percentage points less than float32, `NAME_drop_fine_tuned` less
than `float32_fine_tuned`, which was trained for as many epochs more as the
stages are. `NAME_gzip_ratio` is by float32's gzip bytes, `NAME_latency_ratio`
by the latency of plain int8. Fields `separable_*` are those of a second
network, of depthwise separable convolutions, on which only channel pruning is
measured: small ordinary convolutions spend their time on other things than
multiplications. `bars` says which figure met which limit.

`fashion`: the same table for a network in the style of MobileNetV2 on
Fashion-MNIST, of which the first `--fashion_images` are trained on; accuracy on
the 10,000 test images.
"""

import argparse
import functools
import json
import statistics
import time

import keras
import numpy as np
from keras import layers

from benchmarks import fashion
from benchmarks.parts import chosen_parts, run_parts, say
from keras_nas import compression, export

PARTS = ("applications", "models", "digits", "fashion")
APPLICATIONS = {
    "MobileNet": 32,
    "MobileNetV2": 32,
    "MobileNetV3Small": 32,
    "MobileNetV3Large": 32,
    "EfficientNetB0": 32,
    "EfficientNetV2B0": 32,
    "ResNet50": 32,
    "DenseNet121": 32,
    "NASNetMobile": 32,
    "Xception": 71,
}
WAYS = {
    "prune": {"prune": 0.5},
    "cluster": {"cluster": 8},
    "quantization_aware": {"quantization_aware": True},
    "int8": None,
}
# What TF-MOT's documentation says it supports for tf_keras.
# Pruning and clustering: Sequential and functional models, whole or by layer
# (guide/pruning, guide/clustering), of the layers with kernels here; LSTM by
# the example on IMDB, `Bidirectional` by the release notes of 0.7.0, for
# clustering only. Training for int8 (guide/quantization/training):
# models of whitelisted layers, with batch normalisation behind Conv2D and
# DepthwiseConv2D and with concatenations in limited cases; those of its table
# of results, and of Dense layers. No RNN, Embedding, Conv1D or attention.
# int8 after training: any model (guide/quantization/post_training).
_ALL = (
    *APPLICATIONS,
    *("LSTM", "GRU", "BiLSTM", "transformer encoder", "text with Embedding"),
    *("Conv1D", "two inputs", "two outputs"),
)
DOCUMENTED = {
    "prune": tuple(name for name in _ALL if name != "BiLSTM"),
    "cluster": _ALL,
    "quantization_aware": (
        *("MobileNet", "MobileNetV2", "ResNet50", "NASNetMobile"),
        *("two inputs", "two outputs"),
    ),
    "int8": _ALL,
}
_DONE = {
    "prune": "pruned",
    "cluster": "clustered",
    "quantization_aware": "trained for int8",
}
# Of the issue, for the digits: a field, and the most it may be.
BARS = {
    "qat_drop": 0.5,
    "prune80_qat_drop": 0.5,
    "prune80_drop": 0.5,
    "prune80_gzip_ratio": 0.13,
    "channels50_drop": 1.5,
    "channels50_latency_ratio": 0.6,
    "separable_channels50_drop": 1.5,
    "separable_channels50_latency_ratio": 0.6,
}
_NUM_SAMPLES = 8


def _parser():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--json", metavar="OUT", help="file for the results")
    add("--only", default=",".join(PARTS), help="some of these, by commas")
    add("--names", help="of applications or models, by commas; all by default")
    add("--ways", default=",".join(WAYS), help="to compress, by commas")
    add("--seeds", type=int, default=3, help="of digits and fashion")
    add("--epochs", type=int, default=25, help="of the digits")
    add("--fine_tuning_epochs", type=int, default=10, help="of each stage")
    add("--fashion_epochs", type=int, default=8)
    add("--fashion_fine_tuning_epochs", type=int, default=2)
    add("--fashion_images", type=int, default=20_000, help="to train with")
    return parser


OPTIONS = _parser().parse_args([])


def _functional(build, *shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    outputs = build(*inputs)
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs)


def _transformer(x):
    attended = layers.MultiHeadAttention(2, 8)(x, x)
    x = layers.LayerNormalization()(x + attended)
    x = x + layers.Dense(16)(layers.Dense(32, activation="gelu")(x))
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return layers.Dense(4, activation="softmax")(x)


def _text(x):
    x = layers.Embedding(100, 16)(x)
    x = layers.GlobalAveragePooling1D()(layers.Conv1D(16, 3)(x))
    return layers.Dense(4, activation="softmax")(x)


def _recurrent(layer):
    return lambda x: layers.Dense(4, activation="softmax")(layer(x))


def _two_inputs(first, second):
    x = layers.Concatenate()(
        [layers.Dense(16)(first), layers.Dense(16)(second)]
    )
    return layers.Dense(4, activation="softmax")(layers.ReLU()(x))


def _two_outputs(x):
    x = layers.Dense(32, activation="relu")(x)
    return [
        layers.Dense(4, activation="softmax")(x),
        layers.Dense(4, activation="softmax")(x),
    ]


def _conv1d(x):
    x = layers.Conv1D(16, 3, activation="relu")(x)
    x = layers.GlobalMaxPooling1D()(layers.Conv1D(16, 3)(x))
    return layers.Dense(4, activation="softmax")(x)


MODELS = {
    "LSTM": lambda: _functional(_recurrent(layers.LSTM(16)), (12, 8)),
    "GRU": lambda: _functional(_recurrent(layers.GRU(16)), (12, 8)),
    "BiLSTM": lambda: _functional(
        _recurrent(layers.Bidirectional(layers.LSTM(16))), (12, 8)
    ),
    "transformer encoder": lambda: _functional(_transformer, (12, 16)),
    "text with Embedding": lambda: _functional(_text, (12,)),
    "Conv1D": lambda: _functional(_conv1d, (24, 4)),
    "two inputs": lambda: _functional(_two_inputs, (8,), (6,)),
    "two outputs": lambda: _functional(_two_outputs, (8,)),
}


def application(name):
    """Builds one of `keras.applications` with random weights."""
    size = APPLICATIONS[name]
    return getattr(keras.applications, name)(
        weights=None, input_shape=(size, size, 3), classes=4
    )


def measure_model(build, ways):
    """Says which ways to compress work for a model.

    Args:
        build: Function that returns the model.
        ways: Names of `WAYS`.

    Returns:
        Dict with the entry `"difference"` and one for each way.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    model = build()
    model.compile("sgd", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    x = [_random_input(rng, tensor, model) for tensor in model.inputs]
    y = [rng.integers(4, size=_NUM_SAMPLES) for _ in range(len(model.outputs))]
    if len(x) == 1:
        (x,) = x
    if len(y) == 1:
        (y,) = y
    results = {}
    try:
        bridge = compression.Bridge(model)
        results["difference"] = bridge.largest_difference
        results["wrapped"] = len(bridge.wrapped)
    except ValueError as error:
        results["difference"] = None
        results["message"] = str(error)
    for way in ways:
        started_s = time.perf_counter()
        try:
            results[way] = _try(model, x, y, way)
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            results[way] = {
                "works": False,
                "runs": False,
                "message": message[:600],
            }
        results[way]["took_s"] = round(time.perf_counter() - started_s, 1)
    return results


def _random_input(rng, tensor, model):
    shape = (_NUM_SAMPLES, *tensor.shape[1:])
    if any(isinstance(layer, layers.Embedding) for layer in model.layers):
        return rng.integers(100, size=shape).astype(tensor.dtype)
    return rng.normal(size=shape).astype(tensor.dtype)


def _try(model, x, y, way):
    skipped, left_out = {}, []
    arguments = WAYS[way]
    if arguments is None:
        expected, file = model, export.to_tflite(model, "int8", x)
    else:
        compressed = compression.compress(
            model, x, y, epochs=1, batch_size=4, verbose=0, **arguments
        )
        skipped = compressed.report.skipped
        left_out = _left_out(model, compressed.report, way)
        file = compressed.to_tflite("int8", representative_data=x)
        expected = compressed.reference_model("int8")
    checks = export.verify(file, expected, x).failed_checks
    problems = [f"{c.name}: {c.measured}, limit {c.limit}" for c in checks]
    if left_out:
        problems.append(f"not {_DONE[way]}: {', '.join(left_out)}")
    outputs = file.predict_by_name(x).values()
    return {
        "works": not problems,
        "runs": all(bool(np.isfinite(array).all()) for array in outputs),
        "message": "; ".join(problems)[:600],
        "skipped": skipped,
        "float_operations": sorted(set(file.float_operations)),
    }


def _left_out(model, report, way):
    """Returns the names of layers with kernels that were not treated."""
    asked = [
        layer
        for layer in model.layers
        if any(len(w.shape) > 1 and "bias" not in w.name for w in layer.weights)
        and not (
            way != "quantization_aware"
            and isinstance(
                layer, (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
            )
        )
    ]
    return [
        layer.name
        for layer in asked
        if _DONE[way] not in report[layer.name].done
    ]


def measure_models(builds):
    """Measures a table of models."""
    names = OPTIONS.names.split(",") if OPTIONS.names else list(builds)
    ways = OPTIONS.ways.split(",")
    results = {}
    for name in names:
        results[name] = measure_model(builds[name], ways)
        cells = ", ".join(
            f"{way} {'yes' if results[name][way]['works'] else 'NO'}"
            for way in ways
        )
        say(f"{name}: difference {results[name]['difference']}, {cells}")
    cells = [(name, way) for name in results for way in ways]
    for name, way in cells:
        results[name][way]["documented"] = name in DOCUMENTED[way]
    return {
        "share_that_works": _share_that_works(
            results[name][way]
            for name, way in cells
            if results[name][way]["documented"]
        ),
        "share_of_all_cells": _share_that_works(
            results[name][way] for name, way in cells
        ),
        "share_that_runs": statistics.mean(
            results[name][way]["runs"] for name, way in cells
        ),
        "models": results,
    }


def _share_that_works(cells):
    works = [cell["works"] for cell in cells]
    return statistics.mean(works) if works else None


def digits_model():
    """A convolutional network for digits of 8 by 8 pixels."""
    x = inputs = keras.Input((8, 8, 1))
    for number, filters in enumerate((24, 48, 64)):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        if number:
            x = layers.MaxPooling2D()(x)
    x = layers.Dense(96, activation="relu")(layers.Flatten()(x))
    x = layers.Dropout(0.3)(x)
    return classifier(inputs, x)


def separable_model():
    """The same of depthwise separable convolutions, 128 channels wide.

    With a momentum of 0.99 the statistics of its many normalizations would be
    those of the beginning of so short a training.
    """
    norm = functools.partial(layers.BatchNormalization, momentum=0.9)
    x = inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(128, 3, padding="same", use_bias=False)(x)
    x = layers.ReLU()(norm()(x))
    for strides in (1, 2, 2):
        x = layers.DepthwiseConv2D(3, strides, padding="same", use_bias=False)(
            x
        )
        x = layers.ReLU()(norm()(x))
        x = layers.Conv2D(128, 1, use_bias=False)(x)
        x = layers.ReLU()(norm()(x))
    return classifier(inputs, layers.GlobalAveragePooling2D()(x))


def mobilenet_model():
    """A network in the style of MobileNetV2 for images of 28 by 28 pixels."""
    x = inputs = keras.Input((28, 28, 1))
    x = _convolution(layers.Conv2D(16, 3, 2, padding="same", use_bias=False))(x)
    for filters, strides in ((16, 1), (24, 2), (24, 1), (40, 2), (40, 1)):
        before = x
        wide = layers.Conv2D(4 * x.shape[-1], 1, use_bias=False)
        x = _convolution(wide)(x)
        depthwise = layers.DepthwiseConv2D(
            3, strides, padding="same", use_bias=False
        )
        x = _convolution(depthwise)(x)
        x = layers.Conv2D(filters, 1, use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        if before.shape == x.shape:
            x = layers.Add()([before, x])
    x = _convolution(layers.Conv2D(128, 1, use_bias=False))(x)
    return classifier(inputs, layers.GlobalAveragePooling2D()(x))


def _convolution(layer):
    return lambda x: layers.ReLU(6.0)(layers.BatchNormalization()(layer(x)))


def classifier(inputs, x):
    """Ends a network, and compiles it."""
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(x))
    _compile(model)
    return model


def _compile(model):
    model.compile(
        keras.optimizers.Adam(1e-3),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )


def read_digits():
    """Returns images and labels, to train and to test."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x / 16).reshape(-1, 8, 8, 1).astype("float32")
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    return x[450:], y[450:], x[:450], y[:450]


COMPRESSIONS = {
    "qat": {"quantization_aware": True},
    "prune80": {"prune": 0.8},
    "prune80_qat": {"prune": 0.8, "quantization_aware": True},
    "pattern24": {"prune": "2:4"},
    "cluster16": {"cluster": 16},
    "channels50": {"prune_channels": {"fraction": 0.5, "multiple_of": 8}},
}


def read_fashion():
    """Returns images and labels, to train and to test."""
    parts = fashion.read_fashion("train"), fashion.read_fashion("t10k")
    (x, y), (x_test, y_test) = [
        (x.astype("float32") / 255, y) for x, y in parts
    ]
    count = OPTIONS.fashion_images
    return x[:count], y[:count], x_test, y_test


def measure_digits():
    """Compares int8 files of a network that was compressed in several ways."""
    data = read_digits()
    epochs = OPTIONS.epochs, OPTIONS.fine_tuning_epochs
    only = {"channels50": COMPRESSIONS["channels50"]}
    runs = []
    for seed in range(OPTIONS.seeds):
        run = compare_files(digits_model, COMPRESSIONS, data, epochs, seed)
        separable = compare_files(separable_model, only, data, epochs, seed)
        run |= {f"separable_{name}": file for name, file in separable.items()}
        runs.append(run)
        say(f"digits: seed {seed}: {json.dumps(run)}")
    results = summarize(runs)
    results["bars"] = {
        field: {"limit": limit, "met": results[field] <= limit}
        for field, limit in BARS.items()
        if field in results
    }
    return results


def measure_fashion():
    """Compares the files of a network for Fashion-MNIST."""
    data = read_fashion()
    epochs = OPTIONS.fashion_epochs, OPTIONS.fashion_fine_tuning_epochs
    runs = []
    for seed in range(OPTIONS.seeds):
        run = compare_files(mobilenet_model, COMPRESSIONS, data, epochs, seed)
        runs.append(run)
        say(f"fashion: seed {seed}: {json.dumps(run)}")
    return summarize(runs)


def summarize(runs):
    """Returns the means of runs, and what they say about each file.

    Args:
        runs: List of what `compare_files` returned, for each seed.

    Returns:
        Dict.
    """
    means = {
        name: {
            key: statistics.mean(run[name][key] for run in runs)
            for key in runs[0][name]
        }
        for name in runs[0]
    }
    results = {"runs": runs, "means": means}
    for name, mean in means.items():
        is_separable = name.startswith("separable_")
        prefix = "separable_" if is_separable else ""
        plain = means[f"{prefix}float32"]
        longer = means[f"{prefix}float32_fine_tuned"]
        results[f"{name}_drop"] = 100 * (plain["accuracy"] - mean["accuracy"])
        results[f"{name}_drop_fine_tuned"] = 100 * (
            longer["accuracy"] - mean["accuracy"]
        )
        results[f"{name}_gzip_ratio"] = mean["gzip_bytes"] / plain["gzip_bytes"]
        results[f"{name}_latency_ratio"] = (
            mean["latency_ms"] / means[f"{prefix}int8"]["latency_ms"]
        )
    return results


def compare_files(build, ways, data, epochs, seed):
    """Trains a model, compresses it in several ways, measures the files.

    Args:
        build: Function that returns the model.
        ways: Dict of arguments of `compress` by name.
        data: `(x, y, x_test, y_test)`.
        epochs: Those of the training, and of each stage after it.
        seed: Integer.

    Returns:
        Dict of dicts of numbers by name, among them `"float32"`, `"int8"`, and
        `"float32_fine_tuned"` with the epochs of one stage more.
    """
    x, y, x_test, y_test = data
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    model = build()
    model.fit(x, y, 64, epochs=epochs[0], verbose=0)
    files = {
        "float32": export.to_tflite(model),
        "int8": export.to_tflite(model, "int8", x),
    }
    for name, arguments in ways.items():
        compressed = compression.compress(
            model, x, y, epochs=epochs[1], batch_size=64, verbose=0, **arguments
        )
        files[name] = compressed.to_tflite("int8", representative_data=x)
    # With an optimizer of its own, as each stage has.
    _compile(model)
    model.fit(x, y, 64, epochs=epochs[1], verbose=0)
    files["float32_fine_tuned"] = export.to_tflite(model)
    # All in turns, so that the load of the machine is the same for each.
    latencies = export.measure_latency(files)
    return {
        name: {
            "accuracy": float(
                np.mean(file.predict(x_test).argmax(-1) == y_test)
            ),
            "bytes": file.size_bytes,
            "gzip_bytes": file.gzip_bytes,
            "latency_ms": latencies[name].latency_ms,
        }
        for name, file in files.items()
    }


def main(arguments=None):
    """Measures what it is told to."""
    parser = _parser()
    vars(OPTIONS).update(vars(parser.parse_args(arguments)))
    only = chosen_parts(parser, "--only", OPTIONS.only, PARTS)
    chosen_parts(parser, "--ways", OPTIONS.ways, WAYS)
    measures = {
        "applications": lambda: measure_models(
            {name: lambda name=name: application(name) for name in APPLICATIONS}
        ),
        "models": lambda: measure_models(MODELS),
        "digits": measure_digits,
        "fashion": measure_fashion,
    }
    run_parts("benchmarks.deploy", measures, only, OPTIONS.json)


if __name__ == "__main__":
    main()
