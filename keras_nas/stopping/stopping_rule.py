"""The base of all stopping rules."""


class StoppingRule:
    """Ends trials between epochs that fall behind the others.

    Pass one as `stopping_rule=` to any tuner. It saves most where training
    takes many epochs and bad candidates show early, and costs nothing but a
    small file an epoch. Write your own by overriding `should_stop`: a
    function of learning curves only, so it works with every oracle, and
    with trials that run side by side.

    A trial that is stopped counts: it is completed with the score of its
    best epoch, its metrics have `"stopped_epoch"`, and the summary says so.

    Example:

    >>> class AfterDivergence(StoppingRule):
    ...     def should_stop(self, curve, others, number):
    ...         return curve[-1] > 10 * curve[0]
    >>> AfterDivergence().should_stop([1.0, 20.0], {}, number=0)
    True
    """

    def should_stop(self, curve, others, number):
        """Decides after an epoch whether the trial ends here.

        Args:
            curve: List of floats, the loss of the trial after each of its
                epochs so far: the objective, negated if it is to be
                maximised. NaN where an epoch had none.
            others: Dict of such lists, those of the other trials, running
                or ended, by the number of the trial.
            number: Integer, the number of this trial in the search, from 0.

        Returns:
            Bool.
        """
        raise NotImplementedError
