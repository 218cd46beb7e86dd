"""Benchmarks of several parts, of which one may run some."""

import json
import pathlib
import platform
import sys


def chosen_parts(parser, option, value, known):
    """Reads an option that names some of several things, by commas.

    Args:
        parser: `argparse.ArgumentParser`, which ends the program if one is
            unknown.
        option: String, such as `"--only"`.
        value: String, what was given.
        known: The names there are.

    Returns:
        List of strings.
    """
    names = value.split(",")
    if unknown := set(names) - set(known):
        parser.error(
            f"{option}: expected some of {tuple(known)}. Received: "
            f"{sorted(unknown)}"
        )
    return names


def run_parts(name, measures, only, path):
    """Measures parts one by one, and prints and stores what was found.

    Args:
        name: String, the module of the benchmark.
        measures: Dict from parts to functions that return what JSON can hold.
        only: List of the parts to measure.
        path: File to write to, or `None`.
    """
    results = {
        "command": " ".join([f"python -m {name}", *sys.argv[1:]]),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }
    for part, measure in measures.items():
        if part not in only:
            continue
        results[part] = measure()
        say(f"{part}: {json.dumps(results[part], indent=2)}")
        if path:  # What is measured is not lost to Ctrl-C.
            text = json.dumps(results, indent=2)
            pathlib.Path(path).write_text(text, encoding="utf-8")


def say(line):
    """Prints a line at once."""
    print(line, flush=True)
