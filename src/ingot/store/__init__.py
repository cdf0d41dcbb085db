"""What lasts: the database and the artifacts."""
