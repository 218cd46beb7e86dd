"""A search for accuracy and latency against a family designed by hand.

    python -m benchmarks.hardware --only fashion --folder OUT --json OUT.json

Fashion-MNIST: the first `--train_images` are trained on, `_VALIDATION_IMAGES`
others are what the search may look at, the 10,000 test images are used for the
final table alone. All files are int8.

The family is MobileNetV2's design for images of 28 by 28 pixels, in
`FAMILY_WIDTHS`. The search takes `build`: width, kind and number of blocks in
three stages, which are plain or depthwise-separable convolutions, residual
blocks or inverted bottlenecks. `nas.ParetoBayesian` looks for accuracy after
`--search_epochs` on the first `--search_images` and for the measured latency of
the int8 file, no slower than the widest of the family, with `--jobs` workers.
`--finalists` candidates of each band of latencies are trained anew for half the
final epochs; the best two within each latency at which one of the family could
be dominated, on the validation images, are `found`. Each process is best with
one thread: TF_NUM_INTRAOP_THREADS=1.

Found networks and family get the same final training: the same images, epochs,
optimizer and learning rates, with `--final_seeds` seeds. `table` has the means
over the seeds of the accuracy of the int8 files on the validation and the test
images, and their latency, the files of all networks taking turns. For each
width two found networks are chosen on the validation images: the best that
takes no more time, and the fastest that is at least as accurate.
`more_accuracy_points` and `times_as_fast` are what they are better by on the
test images; `is_dominated` says whether one of them reaches the bar: 1 point,
or twice as fast without being less accurate. `dominated_by` names all found
networks that reach it on the test images, chosen or not.

What has been trained is kept in `--folder`, with the search: run the same
command again after a kill.
"""

import concurrent.futures
import functools
import json
import multiprocessing
import pathlib
import statistics
import time

import keras
import numpy as np
from keras import layers

import keras_nas as nas
from benchmarks import fashion
from benchmarks.parts import say
from keras_nas import blocks, export, storage

FAMILY_WIDTHS = (0.5, 1.0, 1.5)
STAGES = ((1, (8, 16, 24, 32)), (2, (16, 24, 32, 48)), (2, (32, 48, 64, 96)))
# What results depend on; a folder is for one choice of them.
SETTINGS = (
    "train_images",
    "search_images",
    "search_epochs",
    "finalists",
    "final_epochs",
)
_VALIDATION_IMAGES = 5000
_BATCH_SIZE = 128
_BAR_POINTS, _BAR_TIMES = 1.0, 2.0
_FOUND_WITHIN_A_LIMIT = 2


def add_options(parser):
    """Adds what can be told to this part.

    Args:
        parser: `argparse.ArgumentParser`.
    """
    add = parser.add_argument
    add("--folder", help="where the search for Fashion-MNIST is kept")
    add("--train_images", type=int, default=20_000)
    add("--search_images", type=int, default=10_000)
    add("--search_epochs", type=int, default=4)
    add("--trials", type=int, default=250, help="candidates to score")
    add("--finalists", type=int, default=4, help="of each band of latencies")
    add("--final_epochs", type=int, default=10)
    add("--final_seeds", type=int, default=3)


def build(hp):
    """Builds one network of the space."""
    x = inputs = keras.Input((28, 28, 1))
    for stage, (strides, widths) in enumerate(STAGES):
        filters = hp.Choice(f"filters{stage}", widths)
        first = _candidates(filters, strides)
        if stage == 0:
            x = blocks.ConvBlock(filters, 3, strides=2)(x)
            first |= {"none": blocks.Identity}
        x = nas.layers.LayerChoice(hp, f"stage{stage}_first", first)(x)
        later = {"none": blocks.Identity} | _candidates(filters, 1)
        x = nas.layers.LayerChoice(hp, f"stage{stage}_later", later)(x)
    x = blocks.ConvBlock(hp.Choice("head", (32, 64, 128)), 1)(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def _candidates(filters, strides):
    return {
        "conv": lambda: blocks.ConvBlock(filters, 3, strides),
        "residual": lambda: blocks.ResidualBlock(filters, 3, strides),
        "separable": lambda: blocks.SeparableConvBlock(filters, 3, strides),
        "mb3": lambda: blocks.InvertedBottleneck(filters, 3, 3, strides),
    }


def build_family(width):
    """Builds MobileNetV2 for small images, by hand.

    Args:
        width: Float, what numbers of channels are multiplied by.
    """

    def channels(number):
        return max(8, int(number * width + 4) // 8 * 8)

    x = inputs = keras.Input((28, 28, 1))
    x = blocks.ConvBlock(channels(16), 3, 2, activation="relu6")(x)
    for filters, strides in ((16, 1), (24, 2), (24, 1), (40, 2), (40, 1)):
        x = blocks.InvertedBottleneck(channels(filters), 3, 6, strides)(x)
    x = blocks.ConvBlock(channels(128), 1, activation="relu6")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def _compiled(model, epochs, num_images):
    steps = epochs * -(-num_images // _BATCH_SIZE)
    fashion.compile_with_decay(model, steps, learning_rate=2e-3)
    return model


class Trainings:
    """Trains networks, and remembers what came of it in a folder.

    Args:
        folder: `pathlib.Path`.
        data: `(x, y)` to train with.
        jobs: Integer, how many networks to train at a time.
    """

    def __init__(self, folder, data, jobs):
        self.folder = folder
        self.data = data
        self.jobs = jobs
        folder.mkdir(parents=True, exist_ok=True)

    def files(self, networks, epochs, seeds):
        """Returns the int8 files of networks that were trained on their own.

        Args:
            networks: Dict from what a network is called in the folder to a
                function that builds it, and that another process can have.
            epochs: Integer.
            seeds: Iterable of integers.

        Returns:
            Dict from `(name, seed)` to `keras_nas.export.TFLiteModel`.
        """
        paths = {
            (name, seed): self.folder
            / f"{name}_seed{seed}_epochs{epochs}.tflite"
            for seed in seeds
            for name in networks
        }
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(self.jobs, context) as pool:
            trainings = [
                pool.submit(
                    train, networks[name], self.data, epochs, seed, path
                )
                for (name, seed), path in paths.items()
                if not path.exists()
            ]
            for training in concurrent.futures.as_completed(trainings):
                say(f"fashion: {training.result()}")
        return {key: export.TFLiteModel.load(p) for key, p in paths.items()}


def train(make, data, epochs, seed, path):
    """Trains a network and writes its int8 file.

    Args:
        make: Function that builds it.
        data: `(x, y)` to train with.
        epochs: Integer.
        seed: Integer.
        path: `pathlib.Path` of the file.

    Returns:
        String, what to say of it.
    """
    started_s = time.perf_counter()
    x, y = data
    keras.utils.set_random_seed(seed)
    model = _compiled(make(), epochs, len(x))
    model.fit(x, y, _BATCH_SIZE, epochs=epochs, verbose=0)
    export.to_tflite(model, "int8", x[:500]).save(path)
    return f"{path.name}: {time.perf_counter() - started_s:.0f} s"


def _images(part):
    x, y = fashion.read_fashion(part)
    return x.astype("float32") / 255, y


def measure(options):
    """Compares what is found with the family.

    Args:
        options: What `add_options` has read.

    Returns:
        Dict, see the module.
    """
    folder = pathlib.Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {name: getattr(options, name) for name in SETTINGS}
    known = kept(folder / "settings.json", lambda: settings)
    if known != settings:
        raise SystemExit(
            f"--folder: expected a new one, or the settings of '{folder}', "
            f"{known}. Received: {settings}"
        )
    x, y = _images("train")
    num = options.train_images
    if num + _VALIDATION_IMAGES > len(x):
        raise SystemExit("--train_images: expected at most 55000")
    data = x[:num], y[:num]
    validation = x[-_VALIDATION_IMAGES:], y[-_VALIDATION_IMAGES:]
    test = _images("t10k")
    trainings = Trainings(folder / "trained", data, options.jobs)
    family_ms = kept(folder / "family.json", lambda: family_latencies(x[:100]))
    tuner = search(options, folder, data, validation, max(family_ms))
    results = nas.reports.SearchResults.read(tuner.project_dir)
    found_ids = kept(
        folder / "found.json",
        lambda: finalists(options, tuner, trainings, family_ms, validation),
    )
    found = {
        f"trial{i}": tuner.oracle.trials[i].hyperparameters for i in found_ids
    }
    networks = {
        f"family_{width}": functools.partial(build_family, width)
        for width in FAMILY_WIDTHS
    } | {key: functools.partial(build, hp) for key, hp in found.items()}
    seeds = range(100, 100 + options.final_seeds)
    files = trainings.files(networks, options.final_epochs, seeds)
    first = {key: files[key, seeds[0]] for key in networks}
    latencies = export.measure_latency(first, rounds=31)
    table = {}
    for key in networks:
        accuracies, validation_accuracies = (
            [100 * accuracy(files[key, seed], images) for seed in seeds]
            for images in (test, validation)
        )
        table[key] = {
            "accuracy": statistics.mean(accuracies),
            "accuracies": accuracies,
            "validation_accuracy": statistics.mean(validation_accuracies),
            "latency_ms": latencies[key].latency_ms,
            "size_bytes": first[key].size_bytes,
        }
        say(f"fashion: {key}: {table[key]}")
    return {
        "search_s": results.spent_s,
        "trials": len(tuner.oracle.end_order),
        "found": {key: hp.values for key, hp in found.items()},
        "table": table,
        "widths": compare(table),
    }


def family_latencies(examples):
    """Returns the milliseconds of the family, in the order of its widths."""
    files = {
        width: export.to_tflite(build_family(width), "int8", examples)
        for width in FAMILY_WIDTHS
    }
    measured = export.measure_latency(files)
    return [measured[width].latency_ms for width in FAMILY_WIDTHS]


def search(options, folder, data, validation, max_ms):
    """Searches; returns the tuner."""
    x, y = (array[: options.search_images] for array in data)
    epochs, num = options.search_epochs, len(x)

    def hypermodel(hp):
        return _compiled(build(hp), epochs, num)

    tuner = nas.ParetoBayesian(
        hypermodel,
        objective=["val_accuracy", nas.Latency(max_ms=max_ms)],
        max_trials=options.trials,
        keep_weights=1,
        seed=0,
        directory=folder,
        project_name="search",
    )
    tuner.search(
        x,
        y,
        epochs=epochs,
        batch_size=_BATCH_SIZE,
        validation_data=validation,
        validation_batch_size=500,
        workers=options.jobs,
    )
    return tuner


def kept(path, make):
    """Reads what was made before a kill, or makes and writes it.

    Args:
        path: `pathlib.Path` of a JSON file.
        make: Function without arguments that returns what JSON can hold.
    """
    if not path.exists():
        storage.write_json(str(path), make())
    return storage.read_json(str(path))


def finalists(options, tuner, trainings, family_ms, validation):
    """Trains candidates of each band of latencies; returns the best.

    Returns:
        List of the IDs of their trials.
    """
    scored = {
        trial.trial_id: (
            trial.metrics.get_best_value("latency_ms"),
            trial.metrics.get_best_value("val_accuracy"),
        )
        for trial in tuner.oracle.get_best_trials(options.trials)
    }
    chosen = {
        trial_id: functools.partial(
            build, tuner.oracle.trials[trial_id].hyperparameters
        )
        for trial_id in best_of_bands(scored, family_ms, options.finalists)
    }
    epochs, seed = max(1, options.final_epochs // 2), 7
    files = {
        trial_id: file
        for (trial_id, _), file in trainings.files(
            chosen, epochs, [seed]
        ).items()
    }
    latencies = export.measure_latency(files)
    trained = {
        trial_id: (latencies[trial_id].latency_ms, accuracy(file, validation))
        for trial_id, file in files.items()
    }
    say(f"fashion: finalists {trained}")
    return best_within_limits(trained, family_ms, _FOUND_WITHIN_A_LIMIT)


def best_of_bands(scored, family_ms, number):
    """Finds the most accurate candidates of each band of latencies.

    A short training makes large networks look worse than they are, so the front
    of the search alone would hold few of them. Bands end where a candidate is
    as fast as one of the family, or twice as fast: there it can dominate.

    Args:
        scored: Dict from names to `(latency_ms, accuracy)`.
        family_ms: List of the latencies of the family.
        number: Integer, how many of each band.

    Returns:
        List of names, band by band.
    """
    ends_ms = _limits(family_ms)
    chosen = []
    for begin_ms, end_ms in zip([0.0, *ends_ms], ends_ms, strict=False):
        band = [n for n, (ms, _) in scored.items() if begin_ms < ms <= end_ms]
        chosen += _most_accurate(scored, band, number)
    return chosen


def best_within_limits(scored, family_ms, number):
    """Finds the most accurate candidates of all that are fast enough.

    Several, as the accuracies of two trainings of one network differ by as much
    as those of two candidates.

    Args:
        scored: Dict from names to `(latency_ms, accuracy)`.
        family_ms: List of the latencies of the family; the limits are these,
            and their halves.
        number: Integer, how many within each limit.

    Returns:
        List of names, each once: limit by limit, the most accurate first.
    """
    chosen = {}
    for limit_ms in _limits(family_ms):
        within = [name for name, (ms, _) in scored.items() if ms <= limit_ms]
        chosen |= dict.fromkeys(_most_accurate(scored, within, number))
    return list(chosen)


def _most_accurate(scored, names, number):
    by_accuracy = sorted(names, key=lambda n: scored[n][1], reverse=True)
    return by_accuracy[:number]


def _limits(family_ms):
    return sorted({ms / part for ms in family_ms for part in (1, 2)})


def accuracy(file, data):
    """Returns the share of images that a file classifies rightly."""
    x, y = data
    return float(np.mean(file.predict(x).argmax(-1) == y))


def compare(table):
    """Compares each width of the family with what was found.

    Args:
        table: Dict from names to dicts with `"accuracy"` and
            `"validation_accuracy"` (percent), and `"latency_ms"`; the family's
            names begin with `"family_"`.

    Returns:
        Dict from the names of the family to dicts; `None` where nothing found
        is as fast, or as accurate.
    """
    family = {k: v for k, v in table.items() if k.startswith("family_")}
    found = {k: v for k, v in table.items() if k not in family}
    widths = {}
    for key, member in family.items():
        as_fast = [
            f for f in found.values() if f["latency_ms"] <= member["latency_ms"]
        ]
        as_good = [
            f
            for f in found.values()
            if f["validation_accuracy"] >= member["validation_accuracy"]
        ]
        best = max(as_fast, key=_by_validation, default=None)
        fastest = min(as_good, key=lambda f: f["latency_ms"], default=None)
        points = best and best["accuracy"] - member["accuracy"]
        times = fastest and member["latency_ms"] / fastest["latency_ms"]
        widths[key] = {
            "more_accuracy_points": points,
            "times_as_fast": times,
            "fastest_accuracy_points": fastest
            and fastest["accuracy"] - member["accuracy"],
            "dominated_by": [
                name
                for name, one in found.items()
                if _has_points(one, member) or _is_faster(one, member)
            ],
            "is_dominated": bool(
                (best and _has_points(best, member))
                or (fastest and _is_faster(fastest, member))
            ),
        }
        say(f"fashion: {key}: {json.dumps(widths[key])}")
    return widths


def _has_points(network, member):
    is_as_fast = network["latency_ms"] <= member["latency_ms"]
    points = network["accuracy"] - member["accuracy"]
    return is_as_fast and points >= _BAR_POINTS


def _is_faster(network, member):
    times = member["latency_ms"] / network["latency_ms"]
    return times >= _BAR_TIMES and network["accuracy"] >= member["accuracy"]


def _by_validation(network):
    return network["validation_accuracy"]
