"""The download room: files of any chapter, for owners and for holders of a single-use key."""
