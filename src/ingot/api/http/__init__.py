"""What Ingot's server adds to uvicorn's HTTP protocol: bounds for request heads, and files sent by sendfile(2)."""
