"""Tables and questions. Every function takes `tx` first: an open transaction and its `now`."""
