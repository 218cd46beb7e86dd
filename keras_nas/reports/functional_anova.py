"""Which hyperparameters the differences among trials come from."""

import itertools

import keras_tuner
import numpy as np

from keras_nas import architectures

_NUMBERS = (
    keras_tuner.engine.hyperparameters.Int,
    keras_tuner.engine.hyperparameters.Float,
)


class FunctionalAnova:
    """Splits the variance of an objective among hyperparameters.

    A random forest learns the objective from the values. Of each tree, the
    mean over all other hyperparameters is known exactly, for each value of
    one hyperparameter and for each pair of values of two. How much these
    means vary is the importance of the one, and, less what each of the two
    does alone, the strength of the interaction of the pair.

    It is about the whole space, bad regions included, and no better than the
    forest: see `quality`. An inactive hyperparameter counts as being at its
    default.

    Args:
        space: `keras_tuner.HyperParameters`, the search space.
        values: List of dicts of hyperparameter values, one a trial.
        losses: Array-like of shape `(trials,)`, finite.
        rng: `numpy.random.Generator`.
        num_trees: Integer.
        num_interactions: Integer, interactions are computed among so many
            of the most important hyperparameters.

    Attributes:
        importances: Dict of shares of the variance by name, largest first.
        interactions: Dict of shares by pairs of names, largest first.
        quality: Float, the share of the variance that the forest predicts of
            trials it has not seen (R2, out of bag); at most 1. Below some
            0.3 the shares say little.

    Raises:
        ImportError: If scikit-learn is not installed.
        ValueError: If there are fewer than `MIN_TRIALS` trials, all have
            one loss, or no hyperparameter has two values.

    Reference:
        Hutter et al., [An Efficient Approach for Assessing Hyperparameter
        Importance](https://proceedings.mlr.press/v32/hutter14.html), 2014.

    Example:

    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Choice("units", [8, 16])
    >>> _ = space.Boolean("bias")
    >>> values = [{"units": u, "bias": b}
    ...           for u in (8, 16) for b in (False, True)] * 10
    >>> losses = [one["units"] for one in values]
    >>> anova = FunctionalAnova(
    ...     space, values, losses, np.random.default_rng(0))
    >>> round(anova.importances["units"], 2)
    1.0
    """

    MIN_TRIALS = 10

    def __init__(
        self, space, values, losses, rng, num_trees=64, num_interactions=10
    ):
        try:
            from sklearn.ensemble import RandomForestRegressor
        except ImportError as error:
            raise ImportError(
                "The importance of hyperparameters needs scikit-learn, which "
                "is not installed. Run `pip install keras-nas[reports]`."
            ) from error
        losses = np.asarray(losses, dtype="float64")
        if len(losses) < self.MIN_TRIALS or np.ptp(losses) == 0:
            raise ValueError(
                "The importance of hyperparameters needs at least "
                f"{self.MIN_TRIALS} completed trials with different values of "
                f"the objective. Received: {len(losses)} trials, "
                f"{len(np.unique(losses))} different values."
            )
        columns = _columns(space)
        names = list(columns)
        if not names:
            raise ValueError(
                "The importance of hyperparameters needs one with two values "
                "at least. Received: a space without."
            )
        x = np.array([[columns[name](one) for name in names] for one in values])
        scale = np.std(losses)
        forest = RandomForestRegressor(
            num_trees,
            min_samples_leaf=1,
            # All of them would hide what two say alike.
            max_features=0.7,
            oob_score=True,
            random_state=int(rng.integers(2**31)),
        )
        forest.fit(x, (losses - losses.mean()) / scale)
        self.quality = float(forest.oob_score_)
        trees = [_Tree(tree.tree_, len(names)) for tree in forest.estimators_]
        trees = [tree for tree in trees if tree.variance > 1e-12]
        single = np.array(
            [[t.share([i]) for i in range(len(names))] for t in trees]
        ).reshape(len(trees), len(names))
        means = single.mean(axis=0) if trees else np.zeros(len(names))
        order = np.argsort(-means, kind="stable")
        self.importances = {names[i]: float(means[i]) for i in order}
        pairs = {}
        for i, j in itertools.combinations(order[:num_interactions], 2):
            shares = [
                tree.share([i, j]) - row[i] - row[j]
                for tree, row in zip(trees, single, strict=True)
            ]
            share = float(np.mean(shares)) if shares else 0.0
            # Rounding may leave less than nothing.
            pairs[names[i], names[j]] = max(0.0, share)
        self.interactions = dict(
            sorted(pairs.items(), key=lambda item: -item[1])
        )


class _Tree:
    """A regression tree as boxes that fill the unit cube."""

    def __init__(self, tree, num_columns):
        boxes, values = [], []
        stack = [(0, np.zeros(num_columns), np.ones(num_columns))]
        while stack:
            node, low, high = stack.pop()
            if tree.children_left[node] < 0:
                boxes.append((low, high))
                values.append(tree.value[node].item())
                continue
            column, at = tree.feature[node], tree.threshold[node]
            left_high, right_low = high.copy(), low.copy()
            left_high[column] = right_low[column] = at
            stack.append((tree.children_left[node], low, left_high))
            stack.append((tree.children_right[node], right_low, high))
        self.low = np.array([low for low, _ in boxes])
        self.high = np.array([high for _, high in boxes])
        self.values = np.array(values)
        self.sizes = self.high - self.low
        volumes = self.sizes.prod(axis=1)
        self.mean = self.values @ volumes
        self.variance = self.values**2 @ volumes - self.mean**2
        self._weighted = self.values * volumes
        self._cells = {}

    def share(self, columns):
        """The share of the variance of the mean over all other columns."""
        cells = [self._cells_of(column) for column in columns]
        weights = self._weighted
        for column in columns:
            weights = weights / self.sizes[:, column]
        if len(columns) == 1:
            ((inside, widths),) = cells
            means = weights @ inside
            variance = means**2 @ widths - self.mean**2
        else:
            (first, first_widths), (second, second_widths) = cells
            means = (first * weights[:, None]).T @ second
            variance = first_widths @ means**2 @ second_widths - self.mean**2
        return variance / self.variance

    def _cells_of(self, column):
        """Which box covers which cell between two cuts, and their widths."""
        if column not in self._cells:
            cuts = np.unique([self.low[:, column], self.high[:, column]])
            middles = (cuts[1:] + cuts[:-1]) / 2
            inside = (self.low[:, [column]] < middles) & (
                middles < self.high[:, [column]]
            )
            self._cells[column] = inside.astype("float64"), np.diff(cuts)
        return self._cells[column]


def _whole_range(group):
    """The range of a number that is defined under several conditions."""
    low = min(hp.min_value for hp in group)
    is_log = low > 0 and all(hp.sampling == "log" for hp in group)
    return keras_tuner.engine.hyperparameters.Float(
        group[0].name,
        min_value=low,
        max_value=max(hp.max_value for hp in group),
        sampling="log" if is_log else "linear",
    )


def _columns(space):
    """Maps each hyperparameter to a function from values to [0, 1]."""
    groups = {}
    for hp in space.space:
        groups.setdefault(hp.name, []).append(hp)
    return {
        name: _column(group)
        for name, group in groups.items()
        if len(group) > 1 or _has_choice(group[0])
    }


def _has_choice(hp):
    values = architectures.finite_values(hp)
    return values is None or len(values) > 1


def _column(group):
    name, default = group[0].name, group[0].default
    if all(isinstance(hp, _NUMBERS) for hp in group):
        whole = group[0] if len(group) == 1 else _whole_range(group)
        return lambda values: architectures.position(
            whole, values.get(name, default)
        )
    # The places of one name that is defined under several conditions.
    places = {}
    for hp in group:
        for value in architectures.finite_values(hp) or ():
            places.setdefault(value, len(places))
    count = max(1, len(places))
    return lambda values: (
        (places.get(values.get(name, default), 0) + 0.5) / count
    )
