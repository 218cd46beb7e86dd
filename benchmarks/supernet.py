"""Measures what weight sharing costs, and how far its scores can be trusted.

    python -m benchmarks.supernet --json supernet.json
    python -m benchmarks.supernet --json supernet.json --only step,extraction

On Fashion-MNIST, reduced to 14 by 14 pixels and to some thousand images: from
Debian's package `dataset-fashion-mnist`, or as Keras downloads it. There are
four spaces of six places: of four candidates each `operations`, a chain of six
inverted bottlenecks or nothing, `widths`, three stages with a searched width
and such a choice each, and `activations`, three stages with a convolution and
an activation to choose; of five candidates `cell`, the cell of NAS-Bench-201.
Steps are those of `operations`. The ranking is by default one of `widths`:
architectures of `operations` differ by little more than two trainings of one of
them do, so there is hardly a rank to find. The search is by default one in
`widths`, too. On two cores it takes an hour.

`step`: milliseconds a training step, batches of 64, of the supernet
(`supernet_ms`) and of some architectures of its space (`single_ms`, one each).
They take turns; times are medians over the turns. `step_ratio` is the one
divided by the mean of the others, `step_ratio_quartiles` over the turns.

`extraction`: over 50 random architectures of a space with every primitive and
every elastic dimension, `largest_difference` between the outputs of the
supernet and those of the ordinary model with its weights.

`ranking`: random architectures are each trained on their own, and scored with
the weights of supernets that were trained by the rules of `keras_nas.supernet`.
`kendall_tau` is the rank correlation of the two validation accuracies, with the
95% bootstrap interval. `scores_per_s` leaves out the training of the supernet,
`supernet_training_s`. `speedup`: the seconds of a training on its own by those
of a score. Rules that run several architectures a step get as many steps fewer
(`epochs`), so that all cost about the same. `seed_noise_tau` is that of two
trainings of the same architectures with two seeds: no predictor can do better.
`flops_tau` is that of the FLOPs, which cost nothing.

`search`: regularised evolution with `evaluators.WeightSharing` under a limit on
FLOPs, by default the median of random architectures. The best `--finalists` by
shared weights are each trained once on their own, and the best of those is
`found`. It is trained again with other seeds (`found_accuracy`;
`first_accuracy` is that of the best by shared weights alone), and so are ten
random architectures of at least as many FLOPs (`random_accuracies`). Random
cells whose output does not depend on their input are drawn again, as anything
would beat them. `margin_in_standard_errors` is the difference of the means by
the standard error of that difference: those of both means, added in quadrature.

`memory`: see `benchmarks.gradient_memory`.
"""

import argparse
import functools
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import keras
import keras_tuner
import numpy as np

import keras_nas as nas
from benchmarks.fashion import (
    DEBIAN_FOLDER,
    compile_with_decay,
    read_fashion,
)
from benchmarks.parts import chosen_parts, run_parts, say
from keras_nas import blocks, layers
from keras_nas.ranking import kendall_tau
from keras_nas.search_spaces import HyperCell
from keras_nas.supernet import (
    FairSampling,
    ProgressiveShrinking,
    SandwichSampling,
    UniformSampling,
)
from keras_nas_tests.supernet import builds

PARTS = ("step", "extraction", "ranking", "search", "memory")
PLACES = 6
STAGES = 3
WIDTHS = (2, 4, 8, 16)
# Kernel size and expansion.
BOTTLENECKS = {"e1k3": (3, 1), "e3k3": (3, 3), "e6k5": (5, 6)}
CANDIDATES = ("identity", *BOTTLENECKS)
# Kernel sizes.
CONVOLUTIONS = {"conv3": 3, "conv5": 5, "separable3": 3, "separable5": 5}
ACTIVATIONS = ("linear", "relu", "swish", "tanh")
# Edges of each way through a cell, as places in its code.
CELL_PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))
_VALIDATION_IMAGES = 5000
_BATCH_SIZE = 64


def _parser():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--json", metavar="OUT", help="file for the results")
    add("--only", default=",".join(PARTS), help="some of these, by commas")
    add("--data", default=DEBIAN_FOLDER, help="folder of the images")
    add("--images", type=int, default=12000, help="images to train on")
    add("--epochs", type=int, default=15, help="of an architecture alone")
    spaces = ("operations", "widths", "activations", "cell")
    add("--ranking_space", choices=spaces, default="widths")
    add("--search_space", choices=spaces, default="widths")
    add(
        "--supernet_epochs",
        type=int,
        default=40,
        help="of the supernet, with one architecture a step",
    )
    add("--architectures", type=int, default=24, help="to rank")
    add("--trials", type=int, default=150, help="of the search")
    add("--finalists", type=int, default=5, help="of the search")
    add(
        "--flops_quantile",
        type=float,
        default=0.5,
        help="of random architectures: the limit of the search, 1 for none",
    )
    add("--seed", type=int, default=0, help="of everything")
    return parser


OPTIONS = _parser().parse_args([])


def build_operations(hp):
    """Builds a chain of searched operations."""
    x = inputs = keras.Input((14, 14, 1))
    x = blocks.ConvBlock(8, strides=2)(x)
    for place in range(PLACES):
        if place == PLACES // 2:
            x = blocks.ConvBlock(16, strides=2)(x)
        x = _operation(hp, f"place{place}", x.shape[-1])(x)
    return _classifier(inputs, x)


def build_widths(hp):
    """Builds stages of searched widths and operations."""
    x = inputs = keras.Input((14, 14, 1))
    x = blocks.ConvBlock(8, strides=2)(x)
    for stage in range(STAGES):
        filters = hp.Choice(f"filters{stage}", WIDTHS)
        x = blocks.ConvBlock(filters, strides=2 if stage == 1 else 1)(x)
        x = _operation(hp, f"operation{stage}", filters)(x)
    return _classifier(inputs, x)


def build_activations(hp):
    """Builds stages of searched convolutions and activations."""
    x = inputs = keras.Input((14, 14, 1))
    x = blocks.ConvBlock(8, strides=2)(x)
    for stage in range(STAGES):
        strides = 2 if stage == 1 else 1
        candidates = {
            name: functools.partial(
                blocks.SeparableConvBlock
                if name.startswith("separable")
                else blocks.ConvBlock,
                *(16, size, strides),
                activation=None,
            )
            for name, size in CONVOLUTIONS.items()
        }
        x = layers.LayerChoice(hp, f"operation{stage}", candidates)(x)
        candidates = {
            name: functools.partial(keras.layers.Activation, name)
            for name in ACTIVATIONS
        }
        x = layers.LayerChoice(hp, f"activation{stage}", candidates)(x)
    return _classifier(inputs, x)


def build_cell(hp):
    """Builds one searched cell of NAS-Bench-201 in each of three stages."""
    model = HyperCell((14, 14, 1), channels=8, cells_per_stage=1).build(hp)
    compile_with_decay(model, 1)
    return model


def _operation(hp, name, filters):
    candidates = {"identity": blocks.Identity}
    for candidate, arguments in BOTTLENECKS.items():
        candidates[candidate] = functools.partial(
            blocks.InvertedBottleneck, filters, *arguments
        )
    return layers.LayerChoice(hp, name, candidates)


def _classifier(inputs, x):
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(10, activation="softmax")(x))
    compile_with_decay(model, 1)
    return model


BUILDS = {
    "operations": build_operations,
    "widths": build_widths,
    "activations": build_activations,
    "cell": build_cell,
}


def choices(space):
    """Returns the candidates of each hyperparameter of a space."""
    if space == "operations":
        return {f"place{place}": CANDIDATES for place in range(PLACES)}
    if space == "cell":
        codes = [HyperCell.values(6 * digit) for digit in "01234"]
        return {name: [values[name] for values in codes] for name in codes[0]}
    of_a_stage = {"filters": WIDTHS, "operation": CANDIDATES}
    if space == "activations":
        of_a_stage = {"operation": [*CONVOLUTIONS], "activation": ACTIVATIONS}
    return {
        f"{kind}{stage}": candidates
        for stage in range(STAGES)
        for kind, candidates in of_a_stage.items()
    }


def read_data(folder, num_images):
    """Returns images and labels, to train and to validate."""
    x, y = read_fashion("train", folder)
    x = x.reshape(-1, 14, 2, 14, 2, 1).mean((2, 4)).astype("float32") / 255
    training = x[:num_images], y[:num_images]
    return *training, x[-_VALIDATION_IMAGES:], y[-_VALIDATION_IMAGES:]


def single(values, seed, space):
    """Builds one architecture."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    return BUILDS[space](hp)


def train_alone(values, data, epochs, seed, space):
    """Returns the validation accuracy in the end, and the seconds it took."""
    x, y, x_val, y_val = data
    started_s = time.perf_counter()
    model = single(values, seed, space)
    _fit_with_decay(model, x, y, epochs)
    took_s = time.perf_counter() - started_s
    metrics = model.evaluate(
        x_val, y_val, batch_size=500, verbose=0, return_dict=True
    )
    return metrics["accuracy"], took_s


def random_values(rng, space):
    """Draws an architecture whose output depends on its input."""
    while True:
        values = {
            name: candidates[rng.integers(len(candidates))]
            for name, candidates in choices(space).items()
        }
        if space != "cell" or _is_connected(HyperCell.code(values)):
            return values


def _is_connected(code):
    return any(all(code[e] != "0" for e in path) for path in CELL_PATHS)


def measure_step(data, rounds=7, singles=4):
    """Times training steps of the supernet and of single architectures."""
    x, y, *_ = data
    count = 30 * _BATCH_SIZE
    rng = np.random.default_rng(OPTIONS.seed)
    space = "operations"
    models = {"supernet": nas.Supernet(BUILDS[space], seed=OPTIONS.seed)}
    for number in range(singles):
        values = random_values(rng, space)
        models[f"single{number}"] = single(values, number, space)
    for model in models.values():  # Traces it.
        model.fit(x[:_BATCH_SIZE], y[:_BATCH_SIZE], _BATCH_SIZE, verbose=0)
    times_ms = {name: [] for name in models}
    for _ in range(rounds):
        for name, model in models.items():
            started_s = time.perf_counter()
            model.fit(x[:count], y[:count], _BATCH_SIZE, verbose=0)
            took_s = time.perf_counter() - started_s
            times_ms[name].append(1e3 * took_s * _BATCH_SIZE / count)
    medians = {k: statistics.median(v) for k, v in times_ms.items()}
    supernet_ms = medians.pop("supernet")
    supernet_times = np.array(times_ms.pop("supernet"))
    ratios = supernet_times / np.mean(list(times_ms.values()), axis=0)
    return {
        "supernet_ms": supernet_ms,
        "single_ms": list(medians.values()),
        "step_ratio": supernet_ms / statistics.mean(medians.values()),
        "step_ratio_quartiles": np.quantile(ratios, [0.25, 0.75]).tolist(),
    }


def measure_extraction(architectures=50):
    """Compares subnets with the models that are taken out."""
    keras.utils.set_random_seed(OPTIONS.seed)
    supernet = nas.Supernet(builds.everything, seed=OPTIONS.seed)
    x, y = builds.data((11, 11, 3))
    supernet.fit(x, y, epochs=2, batch_size=16, verbose=0)
    rng = np.random.default_rng(OPTIONS.seed)
    differences = []
    for _ in range(architectures):
        values = supernet.random_architecture(rng)
        supernet.set_architecture(values)
        supernet.calibrate(x, batch_size=32)
        subnet = supernet.extract_subnet(values)
        difference = np.array(subnet(x)) - supernet.predict(x, verbose=0)
        differences.append(float(np.abs(difference).max()))
    return {
        "architectures": architectures,
        "largest_difference": max(differences),
    }


def measure_ranking(data):
    """Compares scores by shared weights with those of single trainings."""
    x, y, x_val, y_val = data
    rng = np.random.default_rng(OPTIONS.seed + 5)
    space, build = OPTIONS.ranking_space, BUILDS[OPTIONS.ranking_space]
    candidates = [
        random_values(rng, space) for _ in range(OPTIONS.architectures)
    ]
    trained, times_s, again = [], [], []
    for number, values in enumerate(candidates):
        accuracy, took_s = train_alone(
            values, data, OPTIONS.epochs, number, space
        )
        trained.append(accuracy)
        times_s.append(took_s)
        say(f"ranking: {number + 1} trained, {accuracy:.4f}, {took_s:.0f} s")
    for number, values in enumerate(candidates[: len(candidates) // 4]):
        accuracy, _ = train_alone(
            values, data, OPTIONS.epochs, 1000 + number, space
        )
        again.append(accuracy)
    cost = nas.costs.Flops()
    flops = [cost.measure(single(values, 0, space)) for values in candidates]
    rules = {}
    # Two paths a step, and five phases: operations and three smaller widths.
    steps = OPTIONS.supernet_epochs // 2 * -(-len(x) // _BATCH_SIZE)
    for rule in (
        UniformSampling(),
        FairSampling(),
        SandwichSampling(),
        ProgressiveShrinking(steps_per_phase=max(1, steps // 5)),
    ):
        name = type(rule).__name__
        keras.utils.clear_session()
        keras.utils.set_random_seed(OPTIONS.seed)
        started_s = time.perf_counter()
        supernet = nas.Supernet(build, sampling=rule, seed=OPTIONS.seed)
        epochs = max(1, OPTIONS.supernet_epochs // supernet.sampling.num_paths)
        _fit_with_decay(supernet, x, y, epochs)
        training_s = time.perf_counter() - started_s
        supernet.calibrate(x)  # Traces it.
        supernet.evaluate(x_val, y_val, batch_size=500, verbose=0)
        started_s = time.perf_counter()
        scores = []
        for values in candidates:
            supernet.set_architecture(values)
            supernet.calibrate(x)
            metrics = supernet.evaluate(
                x_val, y_val, batch_size=500, verbose=0, return_dict=True
            )
            scores.append(metrics["accuracy"])
        score_s = (time.perf_counter() - started_s) / len(candidates)
        result = nas.supernet.rank_correlation(scores, trained)
        rules[name] = {
            "epochs": epochs,
            "supernet_training_s": training_s,
            "scores_per_s": 1 / score_s,
            "speedup": statistics.mean(times_s) / score_s,
            "kendall_tau": result.kendall_tau,
            "interval": result.interval,
            "spearman": result.spearman,
            "mean_score": statistics.mean(scores),
        }
        say(f"ranking: {name}: {result}, {1 / score_s:.1f} scores/s")
    return {
        "architectures": len(candidates),
        "epochs_alone": OPTIONS.epochs,
        "training_alone_s": statistics.mean(times_s),
        "trained_accuracy": [min(trained), max(trained)],
        "flops_tau": kendall_tau(flops, trained),
        "seed_noise_tau": kendall_tau(trained[: len(again)], again),
        "rules": rules,
    }


def _fit_with_decay(model, x, y, epochs):
    compile_with_decay(model, epochs * -(-len(x) // _BATCH_SIZE))
    model.fit(x, y, _BATCH_SIZE, epochs=epochs, verbose=0)


def measure_search(data, num_random=10, seeds=3):
    """Compares what a search by shared weights finds with random ones."""
    x, y, x_val, y_val = data
    rng = np.random.default_rng(OPTIONS.seed + 9)
    cost = nas.costs.Flops()
    space, epochs = OPTIONS.search_space, OPTIONS.supernet_epochs

    def build(hp):
        model = BUILDS[space](hp)
        compile_with_decay(model, epochs * -(-len(x) // _BATCH_SIZE))
        return model

    known = {}

    def measure_flops(values):
        key = tuple(values[name] for name in choices(space))
        if key not in known:
            known[key] = cost.measure(single(values, 0, space))
        return known[key]

    sample = [random_values(rng, space) for _ in range(40)]
    flops = [measure_flops(values) for values in sample]
    limit, constraints = None, []
    if OPTIONS.flops_quantile < 1:
        limit = int(np.quantile(flops, OPTIONS.flops_quantile))
        constraints = [nas.costs.Flops(max_flops=limit)]
    keras.utils.clear_session()
    with tempfile.TemporaryDirectory() as folder:
        tuner = nas.RegularizedEvolution(
            build,
            objective="val_accuracy",
            max_trials=OPTIONS.trials,
            constraints=constraints,
            evaluator=nas.evaluators.WeightSharing(epochs=epochs),
            seed=OPTIONS.seed,
            directory=folder,
        )
        started_s = time.perf_counter()
        tuner.search(
            x,
            y,
            batch_size=_BATCH_SIZE,
            validation_data=(x_val, y_val),
            verbose=0,
        )
        search_s = time.perf_counter() - started_s
        finalists = [
            hp.values
            for hp in tuner.get_best_hyperparameters(OPTIONS.finalists)
        ]
    started_s = time.perf_counter()
    finalist_accuracies = [
        train_alone(values, data, OPTIONS.epochs, 1000 + number, space)[0]
        for number, values in enumerate(finalists)
    ]
    finals_s = time.perf_counter() - started_s
    first = finalists[0]
    found = finalists[int(np.argmax(finalist_accuracies))]
    found_flops = measure_flops(found)
    say(f"search: found {found}, {found_flops:,} FLOPs, {search_s:.0f} s")
    larger = [v for v, f in zip(sample, flops, strict=True) if f >= found_flops]
    while len(larger) < num_random:
        values = random_values(rng, space)
        if measure_flops(values) >= found_flops:
            larger.append(values)
    first_accuracies, found_accuracies = (
        [
            train_alone(values, data, OPTIONS.epochs, 2000 + seed, space)[0]
            for seed in range(seeds)
        ]
        for values in (first, found)
    )
    random_accuracies = [
        train_alone(values, data, OPTIONS.epochs, 3000 + number, space)[0]
        for number, values in enumerate(larger[:num_random])
    ]
    errors = [
        statistics.stdev(accuracies) / len(accuracies) ** 0.5
        for accuracies in (found_accuracies, random_accuracies)
    ]
    difference = statistics.mean(found_accuracies) - statistics.mean(
        random_accuracies
    )
    return {
        "found": found,
        "found_flops": found_flops,
        "max_flops": limit,
        "search_s": search_s,
        "finalist_accuracies": finalist_accuracies,
        "finals_s": finals_s,
        "first": first,
        "first_accuracies": first_accuracies,
        "first_accuracy": statistics.mean(first_accuracies),
        "found_accuracies": found_accuracies,
        "found_accuracy": statistics.mean(found_accuracies),
        "random_accuracies": random_accuracies,
        "random_accuracy": statistics.mean(random_accuracies),
        "found_standard_error": errors[0],
        "random_standard_error": errors[1],
        "margin_in_standard_errors": difference / math.hypot(*errors),
    }


def measure_memory():
    """Runs `benchmarks.gradient_memory` in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "memory.json")
        subprocess.run(
            [sys.executable, "-m", "benchmarks.gradient_memory"]
            + ["--json", str(path)],
            check=True,
        )
        return json.loads(path.read_text())


def main(arguments=None):
    """Measures what it is told to."""
    parser = _parser()
    vars(OPTIONS).update(vars(parser.parse_args(arguments)))
    only = chosen_parts(parser, "--only", OPTIONS.only, PARTS)
    data = read_data(OPTIONS.data, OPTIONS.images)
    measures = {
        "step": lambda: measure_step(data),
        "extraction": measure_extraction,
        "ranking": lambda: measure_ranking(data),
        "search": lambda: measure_search(data),
        "memory": measure_memory,
    }
    run_parts("benchmarks.supernet", measures, only, OPTIONS.json)


if __name__ == "__main__":
    main()
