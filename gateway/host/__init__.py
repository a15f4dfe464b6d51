"""This process and its host: settings, locks, deadlines, HTTP, work in the background, reports and notifications."""
