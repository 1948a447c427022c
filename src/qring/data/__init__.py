"""Data files: gradients in and out, and images that packages carry offline."""
