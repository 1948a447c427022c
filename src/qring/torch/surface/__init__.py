"""What PyTorch calls: every collective under all its names, checked, queued and handed back."""
