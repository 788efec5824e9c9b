"""One folder a wire protocol, both sides: `serve` answers it, `connect` calls it."""
