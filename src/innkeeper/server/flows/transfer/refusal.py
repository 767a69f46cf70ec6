"""What an operator is told when a database is not carried."""


class TransferRefused(Exception):
    """Says what is in the way and what to do. What was there before is still there."""
