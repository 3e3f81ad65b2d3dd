"""Trained weights, one folder for each: `<name>/` with its config, its model card and its safetensors file."""
