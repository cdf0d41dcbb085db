"""Rows as messages. Addresses are relative, without a slash in front, as the clients match them."""
