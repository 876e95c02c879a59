"""What can be chosen: one folder a group, a comment a key; read by Hydra as `pkg://conf`."""
