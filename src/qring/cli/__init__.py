"""The command line: ``qring allreduce``, ``train``, ``gapip`` and ``tieaudit``."""
