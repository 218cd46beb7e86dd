"""Performance estimation by training: the exact, expensive way."""

from keras_nas.evaluators.best_weights import BestWeights
from keras_nas.evaluators.evaluator import Evaluator
from keras_nas.evaluators.results import as_metrics, best_epoch
from keras_nas.evaluators.training_recorder import TrainingRecorder


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

    Raises:
        ValueError: If `executions` is not a positive integer.

    Example:

    >>> Training(executions=2).executions
    2
    """

    def __init__(self, executions=1):
        if not isinstance(executions, int) or executions < 1:
            raise ValueError(
                "Invalid value received for argument `executions` "
                "(`executions_per_trial` of a tuner). Expected a positive "
                f"integer. Received: executions={executions!r}"
            )
        self.executions = executions

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
        best.save(candidate.directory)
        recorder.remove()
        metrics = as_metrics(recorder.finished_runs, candidate.objective)
        if recorder.stopped_epoch:
            metrics["stopped_epoch"] = float(recorder.stopped_epoch)
        return metrics

    def _run(self, candidate, recorder, best):
        model = candidate.build()
        callbacks = candidate.callbacks(len(recorder.finished_runs))
        result = None
        next_epoch = recorder.begin(model, callbacks)
        if next_epoch is not None:
            changes = {"initial_epoch": next_epoch} if next_epoch else {}
            result = candidate.fit(
                model, [*callbacks, best, recorder], **changes
            )
        if candidate.can_resume:
            # The history knows nothing of the epochs before a restart.
            metrics = best_epoch(recorder.epochs, candidate.objective)
        else:
            metrics = as_metrics(result, candidate.objective)
        recorder.end(metrics)
