"""One function per use that decides something: load, decide, save."""
