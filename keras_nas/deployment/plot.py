"""A picture of what the files of a deployment cost and are worth."""

import errno
import os


def check_plot_path(path):
    """Checks that an image can be written, before there is one.

    Args:
        path: Path of a file.

    Returns:
        The format that its name ends with, `"png"` if it has no ending.

    Raises:
        ImportError: If Matplotlib is not installed.
        ValueError: If the name ends, but not as that of an image.
        OSError: If the folder does not exist.
    """
    formats = _figure_class()().canvas.get_supported_filetypes()
    folder, name = os.path.split(os.fspath(path))
    suffix = os.path.splitext(name)[1].lstrip(".").lower() or "png"
    if not name or suffix not in formats:
        raise ValueError(
            "Invalid value received for argument `path`. Expected a "
            f"name that ends in .png, .svg or .pdf. Received: "
            f"path={str(path)!r}"
        )
    if "://" not in folder and not os.path.isdir(folder or "."):
        raise FileNotFoundError(
            errno.ENOENT,
            "Cannot write the image given as argument `path`: there is no "
            "such folder. Make it first. Received: folder",
            folder,
        )
    return suffix


def draw(deployment):
    """Draws the files of a `Deployment`.

    Args:
        deployment: A `Deployment`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: If Matplotlib is not installed.
    """
    figure = _figure_class()(figsize=(10, 4), layout="constrained")
    files = [v for v in deployment.variants.values() if v.latencies]
    best = deployment.best
    colours = ["tab:orange" if v is best else "tab:blue" for v in files]
    names = [f"{'* ' if v is best else ''}{v.name}" for v in files]
    figure.suptitle(f"Files of model '{deployment.name}'")
    positions = range(len(files))
    panels = figure.subplots(1, 3 if deployment.metric else 2, sharey=True)
    *first, middle, right = panels
    if first:
        (left,) = first
        left.scatter([v.score for v in files], positions, c=colours)
        keras = deployment.baselines[0]
        left.axvline(keras.score, linestyle=":", color="grey", label="Keras")
        left.legend()
        left.set_xlabel(f"{deployment.metric.name} on held-out data")
    panels[0].set_yticks(list(positions), names)

    for shift, sizes, label in (
        (0.2, [v.size_bytes for v in files], "file"),
        (-0.2, [v.gzip_bytes for v in files], "gzip"),
    ):
        middle.barh(
            [position + shift for position in positions],
            [size / 1000 for size in sizes],
            0.4,
            label=label,
        )
    middle.set_xlabel("kB")
    middle.legend()

    right.barh(list(positions), [v.latency_ms for v in files], color=colours)
    right.set_xlabel("ms a sample, on this machine")
    return figure


def _figure_class():
    try:
        # Without pyplot, which would change the user's own figures.
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "`Deployment.plot` needs Matplotlib, which is not installed. Run "
            "`pip install keras-nas[plots]`."
        ) from error
    return Figure
