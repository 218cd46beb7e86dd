"""Gives KerasTuner's own oracles the bookkeeping of keras_nas."""

import inspect

import numpy as np

from keras_nas import architectures
from keras_nas.oracles.oracle import Oracle


def repair(oracle):
    """Mends how an oracle of KerasTuner keeps its trials, in place.

    What it proposes stays its own; how trials are begun, scored, ended,
    stored and reloaded becomes that of `keras_nas.oracles.Oracle`. So with
    any oracle a killed search leaves whole files and goes on where it was,
    and a score that is not finite fails its trial. An oracle of keras_nas
    is left as it is.

    The object stays the same and of its class, to which a base class is
    added: whoever made it may go on to use it.

    Args:
        oracle: `keras_tuner.Oracle` that belongs to no project yet.

    Example:

    >>> import keras_tuner
    >>> oracle = keras_tuner.oracles.GridSearchOracle("val_loss")
    >>> repair(oracle)
    >>> isinstance(oracle, keras_tuner.oracles.GridSearchOracle)
    True
    >>> isinstance(oracle, Oracle)
    True
    """
    if isinstance(oracle, Oracle):
        return
    cls = type(oracle)
    # Before KerasTuner's `Oracle` in the order of resolution, but after the
    # oracle's own methods, which go on to call it with `super()`.
    oracle.__class__ = type(
        cls.__name__,
        (_Repair, cls, Oracle),
        {"__module__": cls.__module__, "__doc__": cls.__doc__},
    )
    oracle.verbose = 0
    defaults = inspect.signature(Oracle).parameters
    for limit in ("max_rejections", "max_failed_share"):
        setattr(oracle, limit, defaults[limit].default)
    oracle._begin_bookkeeping()


class _Repair:
    """What `Oracle` cannot know of a strategy that is not its own."""

    _directory = None  # Until there is a project.

    def enqueue(self, values):
        """Refuses: such an oracle is asked by nobody but itself."""
        self._refuse("enqueue")

    def import_trials(self, project_dir):
        """Refuses: such an oracle learns from its own trials only."""
        self._refuse("import_trials")

    def _refuse(self, name):
        raise ValueError(
            f"`{name}` needs an oracle of keras_nas, such as "
            "`keras_nas.oracles.RegularizedEvolutionOracle(...)`. Received: "
            f"{type(self).__name__} of KerasTuner, which proposes in a way of "
            "its own."
        )

    def _random_values(self):
        # KerasTuner gives up after 20 collisions.
        values = super()._random_values()
        if values is None:
            values = self.random_values(self._generator())
        return values

    def _remember(self, trial):
        hyperparameters = trial.hyperparameters
        # Hyperband writes the epochs of a trial beside its hyperparameters.
        known = {hp.name for hp in hyperparameters.space}
        notes = {
            name: value
            for name, value in hyperparameters.values.items()
            if name not in known
        }
        # KerasTuner leaves out children that stand before their parents, as
        # its protocol sorts them, and draws them without a seed.
        hyperparameters.values = architectures.complete(
            hyperparameters.values, hyperparameters, self._generator()
        )
        super()._remember(trial)
        hyperparameters.values |= notes

    def _generator(self):
        return np.random.default_rng([self.seed, len(self.start_order)])
