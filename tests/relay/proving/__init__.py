"""What is tried of presets."""
