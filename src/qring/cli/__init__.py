"""The command line: ``qring allreduce`` and ``qring train``."""
