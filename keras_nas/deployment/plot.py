"""A picture of what the files of a deployment cost and are worth."""


def draw(deployment):
    """Draws the files of a `Deployment`.

    Args:
        deployment: A `Deployment`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: If Matplotlib is not installed.
    """
    try:
        # Without pyplot, which would change the user's own figures.
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "`Deployment.plot` needs Matplotlib, which is not installed. Run "
            "`pip install keras-nas[plots]`."
        ) from error
    files = [v for v in deployment.variants.values() if v.latencies]
    best = deployment.best
    colours = ["tab:orange" if v is best else "tab:blue" for v in files]
    names = [v.name for v in files]
    figure = Figure(figsize=(10, 4), layout="constrained")
    figure.suptitle(f"Files of model '{deployment.name}'")
    left, middle, right = figure.subplots(1, 3)

    left.scatter(
        [v.size_bytes / 1000 for v in files],
        [_or_zero(v.score) for v in files],
        c=colours,
    )
    for variant in files:
        left.annotate(
            variant.name,
            (variant.size_bytes / 1000, _or_zero(variant.score)),
            xytext=(4, 4),
            textcoords="offset points",
        )
    if deployment.metric is not None:
        keras = deployment.baselines[0]
        left.axhline(keras.score, linestyle=":", color="grey", label="Keras")
        left.legend()
        left.set_ylabel(f"{deployment.metric.name} on held-out data")
    left.set_xlabel("kB")
    left.set_xlim(left=0)

    positions = range(len(files))
    middle.barh(
        [p + 0.2 for p in positions],
        [v.size_bytes / 1000 for v in files],
        0.4,
        label="file",
    )
    middle.barh(
        [p - 0.2 for p in positions],
        [v.gzip_bytes / 1000 for v in files],
        0.4,
        label="gzip",
    )
    middle.set_yticks(list(positions), names)
    middle.set_xlabel("kB")
    middle.legend()

    right.barh(list(positions), [v.latency_ms for v in files], color=colours)
    right.set_yticks(list(positions), names)
    right.set_xlabel("ms a sample, on this machine")
    return figure


def _or_zero(score):
    return 0.0 if score is None else score
