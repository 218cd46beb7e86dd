"""The base of all evaluators."""


class Evaluator:
    """Estimates how good an architecture is: one candidate to numbers.

    Subclass it to score architectures in another way than by training them,
    and pass an instance as `evaluator=` to any tuner.

    Example:

    >>> class Parameters(Evaluator):
    ...     def evaluate(self, candidate):
    ...         return {"parameters": candidate.build().count_params()}
    """

    # Whether candidates may be scored in processes of their own.
    runs_in_workers = True

    # Whether each candidate is trained, as the arguments of `search()` say.
    trains_candidates = True

    # Seconds spent, in this process, on what serves all candidates.
    preparation_s = 0.0

    def evaluate(self, candidate):
        """Scores one architecture.

        Args:
            candidate: `keras_nas.evaluators.Candidate`.

        Returns:
            Dict of numbers by metric name; the objective must be among
            them. `"best_epoch"`, if given, is stored as the trial's
            `best_step`.

        Raises:
            Exception: Whatever goes wrong; the tuner records it as the
                reason why the trial failed, and goes on.
        """
        raise NotImplementedError

    def load_weights(self, model, candidate):
        """Gives a model the weights that its score was measured with.

        It is asked where a trial has left no weights of its own.

        Args:
            model: `keras.Model` of the candidate, freshly built.
            candidate: `keras_nas.evaluators.Candidate`; there is no data to
                fit it on.

        Returns:
            Boolean, whether there were any.
        """
        del model, candidate
        return False

    def training_objective(self, objective):
        """Returns the part of the objective that a training can report.

        Args:
            objective: `keras_tuner.Objective` of the search.

        Returns:
            `keras_tuner.Objective`. All of it, unless the evaluator measures
            something itself.
        """
        return objective
