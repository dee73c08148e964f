"""What can go wrong, as types: each message names the rule, the value, and the way out."""


class AutopruneError(Exception):
    """Base of every error this package raises on purpose; `exit_code` is the command line's."""

    exit_code = 1


class BadInput(AutopruneError):
    """The user's model, data, spec or file breaks a rule; nothing on disk was changed."""

    exit_code = 2


class BudgetUnreachable(BadInput):
    """Even the smallest network of the search space costs more than the budget."""


class FloorUnreachable(BadInput):
    """No network that was looked at keeps the score that the user asked for."""


class UnknownKernel(BadInput):
    """A latency table has no row for an operator that the network would execute."""


class ForeignTable(BadInput):
    """A latency table was measured on another device than the one at hand."""


class Diverged(AutopruneError):
    """A training's loss or weights are no finite numbers any more."""


class CorruptFile(BadInput):
    """A file is truncated, is not of its kind, or does not match its checksum."""
