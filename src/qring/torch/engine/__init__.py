"""One rank carrying out schedules: plans, the node that runs them, what it charges and folds."""
