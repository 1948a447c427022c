"""What ``--protocol`` chooses among: a module a family, with its options, methods and figures."""
