"""One page that shows a search."""

import html
import json
import math
import pathlib
import string

import numpy as np

from keras_nas import storage
from keras_nas.reports.functional_anova import FunctionalAnova
from keras_nas.version import __version__

_HERE = pathlib.Path(__file__).parent
_MAX_MESSAGE = 4000  # Characters, of the end of a traceback.


def write_html_report(results, path, drawings=()):
    """Writes a search as one HTML page.

    The page needs no network: it holds its own script, style and data.

    Args:
        results: `SearchResults`.
        path: String, the file to write; its folder must exist.
        drawings: List of `(title, text, svg)`, what to say of a model above
            its drawing, see `draw_model`.

    Raises:
        ValueError: If the path is a folder.
        OSError: If the file cannot be written.

    Example:

    >>> import os, tempfile
    >>> import keras_tuner
    >>> from keras_nas.reports import SearchResults
    >>> results = SearchResults(
    ...     [], [keras_tuner.Objective("val_loss", "min")],
    ...     keras_tuner.HyperParameters())
    >>> path = os.path.join(tempfile.mkdtemp(), "report.html")
    >>> write_html_report(results, path)
    >>> open(path).readline().strip()
    '<!doctype html>'
    """
    check_path(path)
    page = html_report(results, drawings)
    storage.write_bytes(str(path), page.encode("utf-8"))


def check_path(path):
    """Raises a `ValueError` if no file can be written to a path.

    Args:
        path: String. Called before the work, so that it is not in vain.
    """
    storage.check_path(path, "a report", "report.html")


def html_report(results, drawings=()):
    """Makes the page; see `write_html_report`.

    Args:
        results: `SearchResults`.
        drawings: List of `(title, text, svg)`.

    Returns:
        String of HTML.
    """
    template = string.Template(
        (_HERE / "page.html").read_text(encoding="utf-8")
    )
    figures = [
        f'<details class="drawing"{" open" if index == 0 else ""}><summary>'
        f'{html.escape(title)}</summary><p class="muted">{html.escape(text)}'
        f'</p><div class="scroll" tabindex="0">{svg}</div></details>'
        for index, (title, text, svg) in enumerate(drawings)
    ]
    return template.substitute(
        title=html.escape(results.name),
        version=__version__,
        style=(_HERE / "page.css").read_text(encoding="utf-8"),
        script=(_HERE / "page.js").read_text(encoding="utf-8"),
        data=as_safe_json(report_data(results)),
        drawings="\n".join(figures),
    )


def as_safe_json(content):
    r"""Writes JSON that can stand in a `<script>` of a page.

    Args:
        content: What JSON can hold. Numbers that it cannot hold, such as NaN,
            become `null`.

    Returns:
        String without `<`, `>` and `&`, whatever the content.

    Example:

    >>> as_safe_json({"op": "</script>", "loss": math.nan})
    '{"op":"\\u003c/script\\u003e","loss":null}'
    """
    text = json.dumps(
        _plain(content), separators=(",", ":"), allow_nan=False, default=str
    )
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def report_data(results):
    """Collects what the page shows.

    Args:
        results: `SearchResults`.

    Returns:
        Dict that JSON can hold.
    """
    completed = results.completed()
    best = results.best()
    names = dict.fromkeys(
        [hp.name for hp in results.space.space]
        + [name for trial in results.trials for name in trial.values]
    )
    varying = _varying(results.trials, names)
    return {
        "name": results.name,
        "strategy": results.strategy,
        "objectives": list(results.objectives),
        "metrics": list(results.metrics),
        "directions": list(results.metrics.values()),
        "hyperparameters": list(names),
        "varying": varying,
        "trials": [
            {
                "number": trial.number,
                "id": trial.trial_id,
                "status": trial.status,
                "score": trial.score,
                "metrics": [trial.metrics.get(m) for m in results.metrics],
                "values": [trial.values.get(name) for name in names],
                "started": trial.started,
                "message": trial.message[-_MAX_MESSAGE:],
            }
            for trial in results.trials
        ],
        "completed": [trial.number for trial in completed],
        "progress": results.progress(),
        "front": [trial.number for trial in results.front()],
        "best": None if best is None else best.number,
        "failures": results.failures(),
        "statuses": results.statuses(),
        "infeasible": results.infeasible,
        "spent_s": results.spent_s,
        "preparation_s": results.preparation_s,
        "importance": [
            _importance(results, completed, index, name)
            for index, name in enumerate(results.objectives)
        ],
    }


def _varying(trials, names):
    """The hyperparameters that differ among the trials."""
    return [
        name
        for name in names
        if len({repr(trial.values.get(name)) for trial in trials}) > 1
    ]


def _importance(results, trials, index, name):
    try:
        anova = FunctionalAnova(
            results.space,
            [trial.values for trial in trials],
            results.losses(trials)[:, index],
            np.random.default_rng(0),
        )
    except (ImportError, ValueError) as error:
        return {"objective": name, "problem": str(error)}
    pairs = list(anova.interactions.items())[:10]
    return {
        "objective": name,
        "quality": anova.quality,
        "shares": list(anova.importances.items()),
        "interactions": [[a, b, share] for (a, b), share in pairs],
    }


def _plain(value):
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
