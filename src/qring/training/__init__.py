"""The main job: train a real model on real images, data-parallel, over the simulated ring."""
