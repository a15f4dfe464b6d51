"""The API connections of Logic Apps and their connectors."""
