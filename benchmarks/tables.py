"""Published tables: every architecture of a search space, already trained.

    table = load("nasbench201_cifar10.csv.gz", ["val_accuracy"])
    table.look_up(values)["val_accuracy"]

With them, a search takes seconds: evaluating an architecture is a look-up, and
the best one is known. Two formats are read:

- `nasbench201`: CSV, compressed with gzip or not. Column `cell` has six digits,
  one an edge of the cell (0-1, 0-2, 1-2, 0-3, 1-3, 2-3), each the number of
  an operation (none, skip connection, convolution 1x1, convolution 3x3,
  average pooling 3x3). Any other column is a metric; an empty field means that
  the metric does not exist for this cell. Only the columns that are asked for
  have to be there (Dong & Yang, NAS-Bench-201, 2020).
- `nasbench_macro`: JSON of NAS-Bench-Macro (Su et al., Prioritized Architecture
  Sampling with Monte-Carlo Tree Search, 2021). A key has eight digits, one a
  layer (identity, inverted bottleneck of expansion 3 and kernel 3, of expansion
  6 and kernel 5); `val_accuracy` is its `mean_acc`, and noise is one of its
  three `test_acc`.
"""

import csv
import gzip
import io
import itertools
import json
import os
import pathlib

import keras_tuner
import numpy as np

# The folder in which a table is looked for that is named without a folder.
DATA_VARIABLE = "KERAS_NAS_DATA"

# Hyperparameters and their options, in the order of the digits of a key.
NASBENCH201 = {
    f"edge_{edge}": ("none", "skip", "conv_1x1", "conv_3x3", "avg_pool_3x3")
    for edge in ("0_1", "0_2", "1_2", "0_3", "1_3", "2_3")
}
NASBENCH_MACRO = {
    f"layer_{i}": ("identity", "mbconv_e3_k3", "mbconv_e6_k5") for i in range(8)
}
_OPERATIONS = {"nasbench201": NASBENCH201, "nasbench_macro": NASBENCH_MACRO}
FORMATS = tuple(_OPERATIONS)

# A metric is noisy if the table has this column of it too: its first seed.
_NOISE_SUFFIX = "_seed0"


class Table:
    """Architectures and what was measured of each.

    An architecture is a dict of hyperparameter values; its number counts
    through the space in the order of the digits of its key.

    Args:
        name: String to show.
        operations: Dict of the names of the hyperparameters to their options.
        metrics: Dict of the names of metrics to an array with a number for
            each architecture, NaN where there is none.
        noisy_metrics: Dict like it for single measurements of a metric, of
            shape `(architectures, measurements)`.
    """

    def __init__(self, name, operations, metrics, noisy_metrics=None):
        self.name = name
        self.operations = operations
        self.metrics = metrics
        self.noisy_metrics = noisy_metrics or {}
        self._shape = tuple(len(options) for options in operations.values())

    def __len__(self):
        return int(np.prod(self._shape))

    def space(self):
        """Returns the search space: a `keras_tuner.HyperParameters`."""
        space = keras_tuner.HyperParameters()
        for name, options in self.operations.items():
            space.Choice(name, list(options), ordered=False)
        return space

    def number(self, values):
        """Returns the number of an architecture."""
        digits = [
            options.index(values[name])
            for name, options in self.operations.items()
        ]
        return int(np.ravel_multi_index(digits, self._shape))

    def values(self, number):
        """Returns the architecture of a number: the reverse of `number`."""
        digits = np.unravel_index(number, self._shape)
        return {
            name: options[digit]
            for (name, options), digit in zip(
                self.operations.items(), digits, strict=True
            )
        }

    def look_up(self, values):
        """Returns a dict of all metrics of an architecture; NaN for none."""
        number = self.number(values)
        return {
            name: float(column[number]) for name, column in self.metrics.items()
        }

    def with_noise(self, rng):
        """Returns the metrics as one evaluation of each architecture gives.

        Args:
            rng: `numpy.random.Generator`, which picks one of the single
                measurements, for each architecture on its own.

        Returns:
            Dict like `metrics`, and the same where nothing is noisy.
        """
        metrics = dict(self.metrics)
        for name, measurements in self.noisy_metrics.items():
            picked = rng.integers(measurements.shape[1], size=len(self))
            metrics[name] = measurements[np.arange(len(self)), picked]
        return metrics

    def best(self, metric, direction):
        """Returns the best value of a metric; `direction` is min or max."""
        column = self.metrics[metric]
        return float(
            np.nanmin(column) if direction == "min" else np.nanmax(column)
        )


def keys(operations):
    """Lists the keys of all architectures, by their number.

    Args:
        operations: Dict of the names of the hyperparameters to their options.

    Returns:
        List of strings with a digit for each hyperparameter.
    """
    digits = [map(str, range(len(one))) for one in operations.values()]
    return ["".join(key) for key in itertools.product(*digits)]


def load(path, columns=("val_accuracy",), table_format=None, noise=False):
    """Reads a table.

    Args:
        path: Path of the file. If it is not there, it is looked for in the
            folder of the environment variable `KERAS_NAS_DATA`.
        columns: Names of the metrics to read. With a `*` at its end, a name
            stands for all columns that begin with it, be it none.
        table_format: One of `FORMATS`; guessed from the file by default.
        noise: Boolean, whether to read single measurements too. At least one
            metric must have them.

    Returns:
        A `Table`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not a table with these columns.
    """
    path = _find(path)
    text = _read(path)
    if table_format is None:
        table_format = (
            "nasbench_macro" if text.lstrip()[:1] == "{" else "nasbench201"
        )
    if table_format not in FORMATS:
        raise ValueError(
            "Invalid value received for argument `table_format`. Expected one "
            f"of {FORMATS}. Received: table_format={table_format!r}"
        )
    read = {"nasbench201": _read_nasbench201, "nasbench_macro": _read_macro}
    metrics, noisy_metrics = read[table_format](path, text, columns, noise)
    operations = _OPERATIONS[table_format]
    for name, column in metrics.items():
        if np.isnan(column).all():
            raise ValueError(f"{path}: column `{name}` has no number.")
    return Table(path.name, operations, metrics, noisy_metrics)


def matching(columns, names):
    """Replaces columns that end in `*` by the names that begin like them.

    Args:
        columns: Names, some perhaps with a `*` at the end.
        names: The names that there are.

    Returns:
        List of names without repetitions.

    Example:

    >>> matching(["params", "proxy_*"], ["cell", "proxy_nwot", "proxy_zen"])
    ['params', 'proxy_nwot', 'proxy_zen']
    """
    found = []
    for column in columns:
        if column.endswith("*"):
            found += [n for n in names if n.startswith(column[:-1])]
        else:
            found.append(column)
    return list(dict.fromkeys(found))


def _find(path):
    path = pathlib.Path(path)
    if path.is_file():
        return path
    folder = os.environ.get(DATA_VARIABLE)
    if folder and (pathlib.Path(folder) / path).is_file():
        return pathlib.Path(folder) / path
    searched = f"nor in {DATA_VARIABLE}={folder}" if folder else ""
    raise FileNotFoundError(
        f"There is no table {path} {searched}. Give --table the path of a "
        f"downloaded table, or set {DATA_VARIABLE} to the folder it lies in."
    )


def _read(path):
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    return data.decode("utf-8-sig")


def _read_nasbench201(path, text, columns, noise):
    reader = csv.reader(io.StringIO(text))
    header = next(reader, [])
    columns = matching(columns, header)
    wanted = list(columns)
    singles = {}
    if noise:
        singles = {
            name: name + _NOISE_SUFFIX
            for name in wanted
            if name + _NOISE_SUFFIX in header
        }
        if not singles:
            wanted.append(wanted[0] + _NOISE_SUFFIX)  # And is missed below.
    missing = [name for name in ["cell", *wanted] if name not in header]
    if missing:
        raise ValueError(
            f"{path} lacks the columns {missing}. It has: {header}"
        )
    to_read = {
        name: header.index(name)
        for name in dict.fromkeys([*wanted, *singles.values()])
    }
    cell_position = header.index("cell")
    numbers = _numbers(NASBENCH201)
    arrays = {name: np.full(len(numbers), np.nan) for name in to_read}
    seen = set()
    for line, row in enumerate(reader, start=2):
        if not row:
            continue
        cell = row[cell_position]
        _check_key(path, f"line {line}", cell, numbers, seen)
        for name, position in to_read.items():
            field = row[position] if position < len(row) else ""
            if field.strip():
                arrays[name][numbers[cell]] = _to_float(
                    path, f"line {line}, column `{name}`", field
                )
    metrics = {name: arrays[name] for name in columns}
    noisy = {name: arrays[single][:, None] for name, single in singles.items()}
    return metrics, noisy


def _read_macro(path, text, columns, noise):
    try:
        entries = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    columns = matching(columns, next(iter(entries.values()), {}))
    fields = {
        name: "mean_acc" if name == "val_accuracy" else name for name in columns
    }
    numbers = _numbers(NASBENCH_MACRO)
    metrics = {name: np.full(len(numbers), np.nan) for name in fields}
    # As many as the longest list: not every architecture has three.
    seeds = max(
        (len(e.get("test_acc", ())) for e in entries.values()), default=0
    )
    is_noisy = noise and seeds and "val_accuracy" in fields
    if noise and not is_noisy:
        raise ValueError(
            f"{path} has no noise for {list(columns)}. Expected `val_accuracy` "
            "among them, and a list `test_acc` in each entry."
        )
    single = np.full((len(numbers), seeds), np.nan)
    seen = set()
    for key, entry in entries.items():
        _check_key(path, f"key {key!r}", key, numbers, seen)
        missing = [field for field in fields.values() if field not in entry]
        if missing:
            raise ValueError(
                f"{path}: {key} lacks {missing}. It has: {sorted(entry)}"
            )
        for name, field in fields.items():
            metrics[name][numbers[key]] = _to_float(
                path, f"{field} of {key}", entry[field]
            )
        if is_noisy:
            scores = entry.get("test_acc") or [np.nan]
            single[numbers[key]] = np.resize(scores, seeds)
    return metrics, {"val_accuracy": single} if is_noisy else {}


def _numbers(operations):
    return {key: number for number, key in enumerate(keys(operations))}


def _check_key(path, where, key, numbers, seen):
    if key not in numbers:
        example = next(reversed(numbers))
        raise ValueError(
            f"{path}, {where}: no architecture is called {key!r}. Expected "
            f"{len(example)} digits from 0 to {example[0]}, as text: a "
            "spreadsheet drops the zeros in front."
        )
    if key in seen:
        raise ValueError(f"{path}, {where}: {key!r} is there twice.")
    seen.add(key)


def _to_float(path, where, field):
    try:
        return float(field)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{path}, {where}: expected a number. Received: {field!r}"
        ) from error
