"""Where data enters and leaves: gradient files, and images that packages carry offline."""
