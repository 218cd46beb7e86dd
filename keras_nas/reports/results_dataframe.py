"""The trials of a search as a table for pandas."""

_COLUMNS = (
    "number", "trial_id", "status", "score", "started", "message",
)  # fmt: skip


def results_dataframe(results):
    """Makes a table of the trials, one row each, as they started.

    The columns are `number`, `trial_id`, `status` and `score`; a column for
    each metric, with its best value, the objectives first; one for each
    hyperparameter, named `hp:` and its name, empty where it is not active;
    and `started`, the time if it is known, and `message`. A metric that is
    called as one of these columns becomes `metric:` and its name.

    Args:
        results: `SearchResults`.

    Returns:
        `pandas.DataFrame`.

    Raises:
        ImportError: If pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "A DataFrame needs pandas, which is not installed. Run "
            "`pip install keras-nas[reports]`."
        ) from error
    metrics = {
        name: f"metric:{name}" if name in _COLUMNS else name
        for name in results.metrics
    }
    names = dict.fromkeys(
        [hp.name for hp in results.space.space]
        + [name for trial in results.trials for name in trial.values]
    )
    rows = []
    for trial in results.trials:
        row = {name: getattr(trial, name) for name in _COLUMNS}
        for name, column in metrics.items():
            row[column] = trial.metrics.get(name)
        for name in names:
            row[f"hp:{name}"] = trial.values.get(name)
        rows.append(row)
    columns = [
        *_COLUMNS[:4],
        *metrics.values(),
        *(f"hp:{name}" for name in names),
        *_COLUMNS[4:],
    ]
    table = pandas.DataFrame(rows, columns=columns)
    table["started"] = pandas.to_datetime(table["started"])
    for column in ("score", *metrics.values()):
        table[column] = table[column].astype("float64")
    return table
