"""What this host can drive: found once against the simulator, kept, and looked up by every later run."""
