"""What people are told without asking: alarms, where they go, and metrics."""
