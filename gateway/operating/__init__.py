"""What the operator's commands do; what they ask for is read in `gateway.commands`."""
