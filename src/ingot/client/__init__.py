"""A client of the API: a login, and the messages that go to and fro."""
