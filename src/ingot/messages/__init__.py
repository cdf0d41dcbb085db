"""The data types of the API, and their XML and JSON forms."""
