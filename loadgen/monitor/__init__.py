"""What is watched beside the load."""
