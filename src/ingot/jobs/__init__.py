"""Work that takes longer than a request: the worker, and the processes it runs."""
