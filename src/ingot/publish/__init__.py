"""Publishing: finished images go to clouds, registries, hosts and stores. One module per target.

Nothing here knows of HTTP requests to us or of the database: an account, a publication and files go in, what the
target calls the result comes out.
"""
