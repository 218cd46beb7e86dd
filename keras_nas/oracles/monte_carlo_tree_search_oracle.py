"""Monte Carlo tree search, UCT with AMAF (Kocsis 2006, Cazenave 2015)."""

import math
import numbers

import numpy as np

from keras_nas import architectures
from keras_nas.oracles.decision_sequence import DecisionSequence
from keras_nas.oracles.oracle import Oracle, check_integer
from keras_nas.oracles.rewards import rewarded_decisions

# The most ranges that the values of a number are put into.
_MAX_BINS = 16

# Descents for one proposal; each is more at random than the one before, so
# that the search leaves a branch in which all is known.
_MAX_DESCENTS = 30
_MORE_NOISE_A_DESCENT = 0.2

# Of equally good options any may be taken, and nearly equal ones as well:
# proposals that are made side by side are not to be alike. Gumbel noise of
# this scale.
_NOISE = 0.05

# Visits that a node needs before its own statistics of what was decided later
# are believed rather than those of a node above it.
_REFERENCE_VISITS = 10


class MonteCarloTreeSearchOracle(Oracle):
    """Searches the tree of decisions that leads to an architecture.

    Hyperparameters are decided one after the other, parents before children.
    A node of the tree is what has been decided so far; its reward is the mean
    rank of the trials below it. From the root on, the option with the best
    upper confidence bound is taken (UCT):

        (sum of rewards + w * m) / (visits + w)
            + exploration * sqrt(log(all visits) / (visits + w))

    A budget of 100 trials leaves nearly all nodes unvisited. So what is known
    of an option elsewhere counts for up to `amaf_visits` visits `w`: its mean
    reward `m` in all trials that took it, whatever they had decided before
    ("all moves as first", AMAF), below the nearest node above with enough
    visits (GRAVE).

    The values of an `Int` or a `Float` are put into ranges, the more the
    oftener the node was visited (progressive widening).

    Made for decisions of which early ones determine what the later ones mean.
    On published tables, where none does, it is a little behind regularized
    evolution, and far behind Bayesian optimization; see the page on benchmarks.

    Args:
        exploration: Float, the weight of the confidence bound. Rewards are
            from 0 to 1.
        amaf_visits: Integer, the visits that AMAF counts for at most; 0 is
            plain UCT.
        initial_trials: Integer, the random trials to begin with. Defaults to
            a fifth of `max_trials`, at most 10.
        **kwargs: Arguments of `keras_nas.oracles.Oracle`: `objective`,
            `max_trials` (here 100 by default), `seed` and so on.

    Reference:
        Kocsis and Szepesvári, [Bandit Based Monte-Carlo
        Planning](https://doi.org/10.1007/11871842_29), 2006; Cazenave,
        [Generalized Rapid Action Value
        Estimation](https://www.ijcai.org/Proceedings/15/Papers/112.pdf),
        2015; for architectures: Wistuba, [Finding Competitive Network
        Architectures Within a Day Using
        UCT](https://arxiv.org/abs/1712.07420), 2017.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> for i in range(4):
    ...     _ = space.Choice(f"op{i}", ["conv", "pool", "skip"])
    >>> oracle = MonteCarloTreeSearchOracle(
    ...     "val_loss", max_trials=40, hyperparameters=space, seed=0)
    >>> for i in range(40):
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
        exploration=0.1,
        amaf_visits=5,
        initial_trials=None,
        **kwargs,
    ):
        super().__init__(objective=objective, max_trials=max_trials, **kwargs)
        if not isinstance(exploration, numbers.Real) or not exploration >= 0:
            raise ValueError(
                "Invalid value received for argument `exploration`. Expected "
                f"a number from 0 on. Received: exploration={exploration!r}"
            )
        check_integer("amaf_visits", amaf_visits, 0)
        if initial_trials is None:
            initial_trials = min(10, max(1, (max_trials or 50) // 5))
        check_integer("initial_trials", initial_trials, 1)
        self.exploration = exploration
        self.amaf_visits = amaf_visits
        self.initial_trials = initial_trials
        self._decisions = DecisionSequence(self.hyperparameters, _MAX_BINS)

    def propose(self, rng):
        """Descends the tree until it finds what was not proposed before."""
        completed = self.completed_trials(last=self.initial_trials)
        known = len(completed) + len(self.running_trials())
        if known < self.initial_trials or not completed:
            return self.random_values(rng)
        self._decisions = self._decisions.grown(self.hyperparameters)
        rows, rewards = rewarded_decisions(self, self._decisions)
        for number in range(_MAX_DESCENTS):
            noise = 1 + number * _MORE_NOISE_A_DESCENT
            descent = _Descent(self, rows, rewards, noise, rng)
            values = self._decisions.make(descent.decide, rng)
            if not self.is_seen(values):
                return values
        return None


class _Descent:
    """One way from the root to a leaf.

    The tree is never built: a node is the set of the trials below it.
    """

    def __init__(self, oracle, rows, rewards, noise, rng):
        self._oracle = oracle
        self._decisions = oracle._decisions
        self._rows, self._rewards = rows, rewards
        self._noise, self._rng = noise * _NOISE, rng
        self._node = self._reference = np.arange(len(rows))

    def decide(self, index):
        """Returns the option to take at a decision."""
        if len(self._node) >= _REFERENCE_VISITS:
            self._reference = self._node
        size = self._decisions.sizes[index]
        options = np.arange(size)
        if architectures.is_ordered(self._decisions.hyperparameters[index]):
            bins = max(2, math.isqrt(len(self._reference)))
            # Neighbouring options are one until there is more to go by.
            options = options * min(bins, size) // size
        group = self._best(self._rows[:, index], options)
        members = np.flatnonzero(options == group)
        taken = self._rows[self._node, index]
        # Those for which this was not asked are in another branch.
        self._node = self._node[(taken >= 0) & (options[taken] == group)]
        return int(members[self._rng.integers(len(members))])

    def _best(self, column, options):
        visits, sums = self._statistics(self._node, column, options)
        amaf_visits, amaf_sums = self._statistics(
            self._reference, column, options
        )
        mean = self._rewards[self._reference].mean()
        weight = np.minimum(self._oracle.amaf_visits, amaf_visits + 1)
        # As if each option had been taken once with average success.
        amaf = (amaf_sums + mean) / (amaf_visits + 1)
        # Plain UCT takes each option once before any is taken again.
        counts = np.maximum(visits + weight, 1e-3)
        bounds = (
            (sums + weight * amaf) / counts
            + self._oracle.exploration
            * np.sqrt(math.log(1 + visits.sum()) / counts)
            + self._noise * self._rng.gumbel(size=len(visits))
        )
        return int(bounds.argmax())

    def _statistics(self, trials, column, options):
        taken = column[trials]
        asked = taken >= 0
        groups = options[taken[asked]]
        number = options[-1] + 1
        visits = np.bincount(groups, minlength=number)
        rewards = self._rewards[trials[asked]]
        return visits, np.bincount(groups, rewards, minlength=number)
