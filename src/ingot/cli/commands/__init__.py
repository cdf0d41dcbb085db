"""How the commands that talk to a server are called; each loads its work when it is called."""
