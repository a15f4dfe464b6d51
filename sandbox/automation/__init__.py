"""Azure Automation: runbooks, worker groups and jobs."""
