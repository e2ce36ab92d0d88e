"""Tables described as data; how they are exposed is each API family's own blueprint."""
