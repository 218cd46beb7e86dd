"""What all rules that stop a search by gradient share."""


class AlphaStopping:
    """Stops a search by gradient before it collapses.

    Left alone, DARTS comes to prefer skip connections, which learn nothing,
    in the later epochs. A rule measures something after each epoch, and says
    when the search is to stop, and the alphas of which epoch to keep.

    Attributes:
        name: String, the name of what is measured, in the history.
    """

    name = None

    def check(self, search):
        """Raises a `ValueError` if it cannot be used for a search.

        Args:
            search: `GradientSearch`.
        """

    def measure(self, search, data, epoch):
        """Returns a float that says how far the collapse has come.

        Args:
            search: `GradientSearch`.
            data: `SearchData`.
            epoch: Integer, the number of the epoch that is over.
        """
        raise NotImplementedError

    def chosen(self, measured):
        """Says whether to stop.

        Args:
            measured: List of floats, one an epoch.

        Returns:
            `None` to go on, or the place in `measured` of the epoch whose
            alphas to keep.
        """
        raise NotImplementedError

    def get_config(self):
        """Returns the arguments the rule was made with."""
        return {}
