"""Execution of schedules by one rank: plans, the node that runs them, accounts, reductions."""
