"""Tables like the published ones, with numbers that can be worked out."""

import csv
import gzip
import io
import itertools
import json


def cells():
    return ["".join(key) for key in itertools.product("01234", repeat=6)]


def write_nasbench201(path, columns, keys=None):
    """Writes a table: `columns` maps names to functions of the cell."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["cell", *columns])
    for cell in keys or cells():
        fields = [function(cell) for function in columns.values()]
        writer.writerow([cell, *fields])
    data = text.getvalue().encode()
    if path.suffix == ".gz":
        data = gzip.compress(data, 1)
    path.write_bytes(data)
    return path


def write_macro(path, mean_acc, test_acc):
    """Writes a table: both are functions of the key."""
    entries = {}
    for digits in itertools.product("012", repeat=8):
        key = "".join(digits)
        entries[key] = {
            "test_acc": test_acc(key),
            "mean_acc": mean_acc(key),
            "std": 0.0,
            "params": 1000 + int(key, 3),
            "flops": 10,
        }
    path.write_text(json.dumps(entries))
    return path


def digit_sum(key):
    return sum(map(int, key))
