"""Azure DevOps: organisations, projects and service connections."""
