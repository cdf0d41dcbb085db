"""What the API has beyond the original's, all of it below `/ingot`: clients of the original never meet it.

The rules are the same: declared operations, entitlements, XML or JSON, `uforgeError` for every failure.
"""
