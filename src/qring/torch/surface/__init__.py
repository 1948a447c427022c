"""The process group as PyTorch calls it: every collective under all its names."""
