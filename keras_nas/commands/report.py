"""`keras-nas report`: a search as a page."""

from keras_nas import storage
from keras_nas.reports import (
    SearchResults,
    results_dataframe,
    write_html_report,
)


def run(files, values):
    """Writes the report of a project.

    Args:
        files: List of one path, the folder of the project.
        values: `absl.flags.FlagValues` of the command.

    Returns:
        The exit code.
    """
    (directory,) = files
    results = SearchResults.read(directory, values.objective)
    if values.csv:
        storage.check_path(values.csv, "a table", "trials.csv")
        # First, as it needs pandas: then all is written, or nothing.
        table = results_dataframe(results).to_csv(index=False)
    write_html_report(results, values.output)
    completed = len(results.completed())
    print(
        f"{len(results.trials)} trials, {completed} completed, by "
        f"{', '.join(results.objectives)}\nwritten to {values.output}"
    )
    if values.csv:
        storage.write_bytes(values.csv, table.encode("utf-8"))
        print(f"and to {values.csv}")
    return 0
