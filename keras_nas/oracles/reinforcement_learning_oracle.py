"""Reinforcement learning (Zoph and Le, 2017)."""

import bisect
import numbers

import numpy as np
from keras_tuner.engine.trial import TrialStatus

from keras_nas.oracles.chebyshev_direction import (
    ChebyshevDirection,
    random_weights,
)
from keras_nas.oracles.controller import Controller
from keras_nas.oracles.decision_sequence import DecisionSequence
from keras_nas.oracles.oracle import Oracle, check_integer

# Options of a number with more values than that.
_BINS = 8

# What the moving average of the rewards takes over from the newest one.
_BASELINE_RATE = 0.1

# Rewards are from -1 to 1, and this of what has none.
_WORST_REWARD = -1.0

# The steps of PPO are clipped, so they may be longer; its entropy bonus is not,
# and would win against all else.
_LEARNING_RATES = {"reinforce": 0.3, "ppo": 0.5}
_ENTROPY_BONUSES = {"reinforce": 0.1, "ppo": 0.02}

# PPO: sequences an update, steps on them, how far probabilities may move.
_PPO_BATCH = 5
_PPO_EPOCHS = 4
_PPO_CLIP = 0.2

# Draws for one proposal; each is more at random than the one before, so that
# a policy that has made up its mind still finds what is new beside it.
_MAX_DRAWS = 30
_HEATING = 0.1

# Of the space of seeds, where the initial weights come from, and with several
# objectives the directions of rewards.
_WEIGHTS_STREAM = 1
_REWARDS_STREAM = 3


class ReinforcementLearningOracle(Oracle):
    """A controller network learns to make good architectures.

    The controller makes one decision after the other, each on what it has
    decided before, and is rewarded for what came out: by policy gradients,
    decisions that have led to better architectures than it makes on average
    become more likely. The reward is the rank among all trials so far, so
    neither the unit nor the spread of the objective matters. With several
    objectives it is the rank in a random direction, another one for each
    trial.

    It needs a budget of some hundred trials: on published tables it is better
    than random search, and after 200 trials behind regularized evolution,
    which costs less; see the page on benchmarks.

    The weights are recomputed from the finished trials, in the order they
    ended, when a search is resumed (some milliseconds a trial). So there is no
    file that could disagree with the trials after a crash, and a resumed
    search goes on exactly.

    Args:
        algorithm: String, how the controller is updated: `"reinforce"`, after
            every trial, or `"ppo"`, proximal policy optimisation, with
            several steps after every 5 trials.
        learning_rate: Optional float. Defaults to 0.3, with PPO to 0.5.
        entropy_bonus: Optional float, the weight of the policy's entropy,
            which keeps it from making up its mind too soon. Defaults to 0.1,
            with PPO to 0.02.
        units: Integer, the size of the controller's state.
        **kwargs: Arguments of `keras_nas.oracles.Oracle`: `objective`,
            `max_trials` (here 200 by default), `seed` and so on.

    Reference:
        Zoph and Le, [Neural Architecture Search with Reinforcement
        Learning](https://arxiv.org/abs/1611.01578), 2017; Zoph et al.,
        [Learning Transferable Architectures for Scalable Image
        Recognition](https://arxiv.org/abs/1707.07012) (NASNet, with PPO),
        2018; Schulman et al., [Proximal Policy Optimization
        Algorithms](https://arxiv.org/abs/1707.06347), 2017.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> for i in range(4):
    ...     _ = space.Choice(f"op{i}", ["conv", "pool", "skip"])
    >>> oracle = ReinforcementLearningOracle(
    ...     "val_loss", max_trials=60, hyperparameters=space, seed=0)
    >>> for i in range(60):
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
        max_trials=200,
        algorithm="reinforce",
        learning_rate=None,
        entropy_bonus=None,
        units=16,
        **kwargs,
    ):
        super().__init__(objective=objective, max_trials=max_trials, **kwargs)
        if algorithm not in ("reinforce", "ppo"):
            raise ValueError(
                "Invalid value received for argument `algorithm`. Expected "
                f'"reinforce" or "ppo". Received: algorithm={algorithm!r}'
            )
        if learning_rate is None:
            learning_rate = _LEARNING_RATES[algorithm]
        if entropy_bonus is None:
            entropy_bonus = _ENTROPY_BONUSES[algorithm]
        for name, value, expected, is_valid in (
            ("learning_rate", learning_rate, "above 0", lambda x: x > 0),
            ("entropy_bonus", entropy_bonus, "from 0 on", lambda x: x >= 0),
        ):
            if not isinstance(value, numbers.Real) or not is_valid(value):
                raise ValueError(
                    f"Invalid value received for argument `{name}`. Expected "
                    f"a number {expected}. Received: {name}={value!r}"
                )
        check_integer("units", units, 1)
        self.algorithm = algorithm
        self.learning_rate = learning_rate
        self.entropy_bonus = entropy_bonus
        self.units = units
        self._decisions = DecisionSequence(self.hyperparameters, _BINS)
        self._forget()

    def propose(self, rng):
        """Draws from the controller what was not proposed before."""
        self._learn()
        for number in range(_MAX_DRAWS):
            decide = self._controller.sampler(rng, 1 + number * _HEATING)
            values = self._decisions.make(decide, rng)
            if not self.is_seen(values):
                return values
        return None

    def _forget(self):
        self._controller = None
        self._learnt, self._losses_so_far = [], []
        self._baseline = 0.0
        self._batch = []

    def _learn(self):
        """Brings the controller up to date with what has ended."""
        decisions = self._decisions.grown(self.hyperparameters)
        events = self._events()
        names = [name for name, _, _ in events]
        # Not so if the space has grown or an earlier project was imported.
        goes_on = names[: len(self._learnt)] == self._learnt
        if decisions is not self._decisions or not goes_on:
            self._forget()
            self._decisions = decisions
        if self._controller is None:
            weights_rng = np.random.default_rng([self.seed, 0, _WEIGHTS_STREAM])
            self._controller = Controller(
                decisions.sizes, self.units, weights_rng
            )
        for name, values, losses in events[len(self._learnt) :]:
            advantage = self._advantage(losses)
            self._batch.append((decisions.encode(values), advantage))
            self._learnt.append(name)
            if self.algorithm == "reinforce":
                self._update_reinforce()
            elif len(self._batch) == _PPO_BATCH:
                self._update_ppo()

    def _events(self):
        """All that has ended, in order: name, values, losses or `None`."""
        completed = {t.trial_id: t for t in self.completed_trials()}
        own = set(self.end_order)
        infeasible = {}
        for number, one in enumerate(self.infeasible):
            event = (f"infeasible {number}", one["values"], None)
            infeasible.setdefault(one.get("ended_trials", 0), []).append(event)
        events = [
            (i, trial.hyperparameters.values, self.compared_losses(trial))
            for i, trial in completed.items()
            if i not in own
        ]
        for number, trial_id in enumerate(self.end_order):
            events += infeasible.get(number, [])
            trial = self.trials[trial_id]
            is_scored = trial.status == TrialStatus.COMPLETED
            losses = self.compared_losses(trial) if is_scored else None
            events.append((trial_id, trial.hyperparameters.values, losses))
        return events + infeasible.get(len(self.end_order), [])

    def _advantage(self, losses):
        """How much better a trial was than those of late."""
        if losses is None:
            reward = _WORST_REWARD
        else:
            better, not_worse = self._rank(losses)
            # From 1 for the best to -1 for the worst.
            reward = 1 - (better + not_worse) / len(self._losses_so_far)
        advantage = reward - self._baseline
        self._baseline += _BASELINE_RATE * advantage
        return advantage

    def _rank(self, losses):
        """How many trials so far were better, and how many not worse."""
        so_far = self._losses_so_far
        if len(losses) == 1:
            bisect.insort(so_far, losses[0])
            return (
                bisect.bisect_left(so_far, losses[0]),
                bisect.bisect_right(so_far, losses[0]),
            )
        so_far.append(losses)
        # It has to be the same when all is learnt again after a resume.
        stream = [self.seed, len(so_far), _REWARDS_STREAM]
        weights = random_weights(len(losses), np.random.default_rng(stream))
        distances = ChebyshevDirection(so_far, weights)(so_far)
        return (
            int(np.count_nonzero(distances < distances[-1])),
            int(np.count_nonzero(distances <= distances[-1])),
        )

    def _update_reinforce(self):
        rows, advantages = self._take_batch()
        self._step(rows, advantages)

    def _update_ppo(self):
        rows, advantages = self._take_batch()
        before = self._controller.log_probabilities(rows)
        for _ in range(_PPO_EPOCHS):
            ratios = np.exp(self._controller.log_probabilities(rows) - before)
            # The gradient of min(ratio * A, clip(ratio) * A), of each decision.
            counts = np.where(
                advantages > 0, ratios < 1 + _PPO_CLIP, ratios > 1 - _PPO_CLIP
            )
            self._step(rows, advantages * ratios * counts)

    def _take_batch(self):
        rows, advantages = zip(*self._batch, strict=True)
        self._batch = []
        rows = np.array(rows, dtype=int)
        # All decisions of an architecture have earned its advantage.
        return rows, np.repeat(np.array(advantages)[:, None], rows.shape[1], 1)

    def _step(self, rows, advantages):
        gradient = self._controller.gradient(
            rows, advantages, self.entropy_bonus
        )
        for name, weight in self._controller.weights.items():
            weight += self.learning_rate / len(rows) * gradient[name]
