"""Azure Resource Manager: one host for all resource providers, the subscription, and roles."""
