"""Local search (White et al., 2020)."""

import numbers

import numpy as np

from keras_nas import architectures
from keras_nas.oracles.decision_sequence import DecisionSequence
from keras_nas.oracles.oracle import Oracle, check_integer
from keras_nas.oracles.rewards import rewarded_decisions

# A number with more values than these has so many neighbours, drawn at
# distances from half of its range down to 2**-5 of it.
_STEPS = 8
_SMALLEST_STEP = 5

# The end of the range [0, 1) that KerasTuner maps to values.
_BELOW_1 = 1 - 1e-9

# Of the ranks of all trials, which are spread evenly from 0 to 1.
_RANK_DEVIATION = 12**-0.5


class LocalSearchOracle(Oracle):
    """Climbs: proposes neighbours of the best, and restarts at the top.

    A neighbour differs in one hyperparameter. The best architecture of the
    climb is followed as soon as it is found; once all its neighbours are
    known, the next best one is. A climb that has found nothing better in as
    many trials as an architecture has neighbours is over, and another one
    begins at random.

    Which hyperparameter to change is left to chance; which of its values
    comes first is not: the one that did best in all other trials, by a draw
    from what is known about its mean reward (Thompson sampling). A number
    with many values has 8 neighbours, at random distances.

    Hard to beat where the budget is a few times the number of neighbours. In
    larger spaces it is still climbing when the budget ends. A noisy score
    that was merely lucky costs it at most the neighbours of one architecture.

    Args:
        initial_trials: Integer, the random trials of which the best starts
            the first climb. Defaults to a fifth of `max_trials`, at most 10.
        restart_after: Float, a climb is over after `restart_after` times the
            number of neighbours of its best architecture without a better
            one.
        **kwargs: Arguments of `keras_nas.oracles.Oracle`: `objective`,
            `max_trials` (here 100 by default), `seed` and so on.

    Reference:
        White et al., [Exploring the Loss Landscape in Neural Architecture
        Search](https://arxiv.org/abs/2005.02960), 2020.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> for i in range(4):
    ...     _ = space.Choice(f"op{i}", ["conv", "pool", "skip"])
    >>> oracle = LocalSearchOracle(
    ...     "val_loss", max_trials=30, hyperparameters=space, seed=0)
    >>> for i in range(30):
    ...     trial = oracle.create_trial("tuner0")
    ...     convs = list(trial.hyperparameters.values.values()).count("conv")
    ...     _ = oracle.update_trial(trial.trial_id, {"val_loss": 4 - convs})
    ...     trial.status = "COMPLETED"
    ...     oracle.end_trial(trial)
    >>> oracle.get_best_trials()[0].score
    0.0
    """

    def __init__(
        self,
        objective=None,
        max_trials=100,
        initial_trials=None,
        restart_after=1.0,
        **kwargs,
    ):
        super().__init__(objective=objective, max_trials=max_trials, **kwargs)
        if initial_trials is None:
            initial_trials = min(10, max(1, (max_trials or 50) // 5))
        check_integer("initial_trials", initial_trials, 1)
        if not isinstance(restart_after, numbers.Real) or not restart_after > 0:
            raise ValueError(
                "Invalid value received for argument `restart_after`. "
                "Expected a number above 0. Received: "
                f"restart_after={restart_after!r}"
            )
        self.initial_trials = initial_trials
        self.restart_after = restart_after
        # The number of the trial that the current climb begins with. Which
        # trials had ended when it was proposed can be read from no file.
        self._climb_start = 0
        self._decisions = DecisionSequence(self.hyperparameters, _STEPS)

    def propose(self, rng):
        """Returns a new neighbour of the best trial that has one."""
        self._decisions = self._decisions.grown(self.hyperparameters)
        completed = self.completed_trials()
        known = len(completed) + len(self.running_trials())
        if known < self.initial_trials or not completed:
            return self.random_values(rng)
        climb = self._current_climb(completed)
        if climb and self._is_over(climb):
            # What still runs belongs to the old climb, and stays there.
            self._climb_start = len(self.start_order)
            climb = []
        if not climb:
            return self.random_values(rng)
        rewarded = rewarded_decisions(self, self._decisions)
        known = [*self.trials.values(), *completed]
        positions = self._decisions.positions(_values(known))
        for trial in sorted(climb, key=self.loss):
            for name, value in self._moves(trial, positions, rewarded, rng):
                child = architectures.replace(
                    trial.hyperparameters.values,
                    name,
                    value,
                    self.hyperparameters,
                    rng,
                )
                if not self.is_seen(child):
                    return child
        return None

    def get_state(self):
        """Returns what a resumed search has to know."""
        return super().get_state() | {"climb_start": self._climb_start}

    def set_state(self, state):
        """Restores what `get_state` returned."""
        super().set_state(state)
        self._climb_start = state.get("climb_start", 0)

    def _current_climb(self, completed):
        """The trials that were proposed since the last restart."""
        if not self._climb_start:
            return completed
        proposed = set(self.start_order[self._climb_start :])
        return [trial for trial in completed if trial.trial_id in proposed]

    def _is_over(self, climb):
        """Whether a climb has found nothing better for long enough."""
        # The random trials of the first one are no steps.
        random = 0 if self._climb_start else self.initial_trials
        best, since = climb[0], 0
        for number, is_better in enumerate(self.improvements(climb)):
            if is_better:
                best, since = climb[number], 0
            elif number >= random:
                since += 1
        return since >= self._allowance(best)

    def _allowance(self, trial):
        row = self._decisions.encode_all(_values([trial]))[0]
        neighbours = sum(
            size - 1 if self._decisions.values_at(index) else _STEPS
            for index, size in enumerate(self._decisions.sizes)
            if row[index] >= 0
        )
        return self.restart_after * max(1, neighbours)

    def _moves(self, trial, positions, rewarded, rng):
        """Yields the moves to neighbours: the name and its other value.

        Decisions come in random order, the values of each by promise.
        """
        values = trial.hyperparameters.values
        row = self._decisions.encode(values)
        differs = positions != self._decisions.positions(_values([trial]))
        tried = differs[differs.sum(axis=1) == 1].sum(axis=0)
        for index in rng.permutation(len(row)):
            if row[index] < 0 or self._decisions.sizes[index] < 2:
                continue
            hp = self._decisions.hyperparameters[index]
            others = self._decisions.values_at(index)
            if others is None:
                others = self._steps(hp, values[hp.name], rng)[tried[index] :]
            others = [value for value in others if value != values[hp.name]]
            options = [self._decisions.option(index, v) for v in others]
            promise = self._promise(index, rewarded, rng)[options]
            for number in np.argsort(-promise, kind="stable"):
                yield hp.name, others[number]

    def _promise(self, index, rewarded, rng):
        """Draws what the mean reward of each option may be."""
        rows, rewards = rewarded
        asked = rows[:, index] >= 0
        taken, size = rows[asked, index], self._decisions.sizes[index]
        # One more trial of middling success stands for not knowing.
        counts = 1 + np.bincount(taken, minlength=size)
        sums = 0.5 + np.bincount(taken, rewards[asked], minlength=size)
        return rng.normal(sums / counts, _RANK_DEVIATION / np.sqrt(counts))

    def _steps(self, hp, value, rng):
        """Draws numbers around a value, most of them near."""
        position = architectures.position(hp, value)
        steps = 0.5 ** rng.uniform(1, _SMALLEST_STEP, size=_STEPS)
        signs = rng.choice([-1, 1], size=_STEPS)
        # Whoever would leave the range turns round at its end.
        places = np.abs(position + signs * steps)
        places = np.where(places > 1, 2 - places, places).clip(0, _BELOW_1)
        return [hp.prob_to_value(float(place)) for place in places]


def _values(trials):
    return {trial.trial_id: trial.hyperparameters.values for trial in trials}
