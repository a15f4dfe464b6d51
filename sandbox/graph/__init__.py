"""Microsoft Graph: applications, their secrets and owners."""
