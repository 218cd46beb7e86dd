"""Performance estimation by training: the exact, expensive way."""

from keras_nas.evaluators.best_weights import BestWeights
from keras_nas.evaluators.evaluator import Evaluator
from keras_nas.evaluators.results import as_metrics, best_epoch
from keras_nas.evaluators.training_recorder import TrainingRecorder
from keras_nas.evaluators.weight_inheritance import (
    WeightInheritance,
    save_inheritable,
)


class Training(Evaluator):
    """Trains each candidate as `search()` was told to, and reads its metrics.

    The default evaluator of every tuner. The score is the one of the best
    epoch, and the weights of that epoch are kept for `get_best_models`.

    A training that was killed goes on from its last epoch, unless the
    hypermodel has a `fit` of its own, which is called from the beginning
    again. One that a stopping rule ends gets the metric `"stopped_epoch"`.

    Args:
        executions: Integer, how often each candidate is trained from a new
            initialisation; metrics are averaged. More executions make the
            comparison of candidates less noisy.
        inherit_weights: Boolean. If `True`, a candidate starts from the
            weights of the nearest finished trial (the one that differs in
            the fewest hyperparameters) wherever the names and shapes of
            layers agree, as in ENAS and Auto-Keras. Any hypermodel will do.
            Take it if you want a good model from few epochs a trial. The
            metric `"inherited_share"` says how much of a model was
            inherited, and `"inherited_from"` the number of the trial.

    Scores under `inherit_weights` compare lineages, not architectures: a
    trial has the training of its ancestors on top of its own, so late trials
    look better than early ones, and another order gives another ranking. To
    rank architectures, train the best ones anew without it. Only trials
    whose weights are kept are inherited from: see `keep_weights` of the
    tuner.

    Raises:
        ValueError: If an argument is invalid.

    References:

    - [Wei et al., 2016, Network Morphism](https://arxiv.org/abs/1603.01670)
    - [Pham et al., 2018, Efficient Neural Architecture Search via Parameter
      Sharing](https://arxiv.org/abs/1802.03268)
    - [Jin et al., 2019, Auto-Keras: An Efficient Neural Architecture Search
      System](https://arxiv.org/abs/1806.10282)

    Example:

    >>> import tempfile
    >>> import keras, numpy as np
    >>> import keras_nas as nas
    >>> def build(hp):
    ...     model = keras.Sequential([
    ...         keras.Input((2,)),
    ...         keras.layers.Dense(4, hp.Choice("kind", ["relu", "tanh"])),
    ...         keras.layers.Dense(1)])
    ...     model.compile("adam", "mse")
    ...     return model
    >>> tuner = nas.RandomSearch(
    ...     build, objective="val_loss", max_trials=2, seed=1,
    ...     evaluator=nas.evaluators.Training(inherit_weights=True),
    ...     directory=tempfile.mkdtemp())
    >>> x, y = np.ones((8, 2)), np.ones(8)
    >>> tuner.search(x, y, validation_data=(x, y), epochs=1, verbose=0)
    >>> [float(tuner.oracle.trials[i].metrics.get_last_value(
    ...     "inherited_share")) for i in tuner.oracle.start_order]
    [0.0, 1.0]
    """

    def __init__(self, executions=1, inherit_weights=False):
        if not isinstance(executions, int) or executions < 1:
            raise ValueError(
                "Invalid value received for argument `executions` "
                "(`executions_per_trial` of a tuner). Expected a positive "
                f"integer. Received: executions={executions!r}"
            )
        if not isinstance(inherit_weights, bool):
            raise ValueError(
                "Invalid value received for argument `inherit_weights`. "
                "Expected `True` or `False`. Received: "
                f"inherit_weights={inherit_weights!r}"
            )
        self.executions = executions
        self.inherit_weights = inherit_weights

    def evaluate(self, candidate):
        """Trains the candidate; returns the metrics of its best epoch."""
        best = BestWeights(candidate.objective)
        recorder = TrainingRecorder(candidate, best)
        try:
            while len(recorder.finished_runs) < self.executions:
                self._run(candidate, recorder, best)
                if recorder.stopped_epoch:
                    break  # More runs of it would be wasted.
        except Exception:
            recorder.remove()  # A retry starts anew.
            raise
        model = best.save(candidate.directory)
        if self.inherit_weights and model is not None:
            save_inheritable(model, candidate.directory)
        recorder.remove()
        metrics = as_metrics(recorder.finished_runs, candidate.objective)
        if recorder.stopped_epoch:
            metrics["stopped_epoch"] = float(recorder.stopped_epoch)
        return metrics | {k: float(v) for k, v in recorder.notes.items()}

    def _run(self, candidate, recorder, best):
        model = candidate.build()
        callbacks = candidate.callbacks(len(recorder.finished_runs))
        result = None
        next_epoch = recorder.begin(model, callbacks)
        if next_epoch is not None:
            changes, first = {}, []
            if next_epoch:  # It has inherited before it was interrupted.
                changes = {"initial_epoch": next_epoch}
            elif self.inherit_weights:
                first = [WeightInheritance(candidate, recorder.notes)]
            result = candidate.fit(
                model, [*first, *callbacks, best, recorder], **changes
            )
        if candidate.can_resume:
            # The history knows nothing of the epochs before a restart.
            metrics = best_epoch(recorder.epochs, candidate.objective)
        else:
            metrics = as_metrics(result, candidate.objective)
        recorder.end(metrics)
