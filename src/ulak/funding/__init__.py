"""Lightning nodes and services that hold, take and pay for us: `ulak.core.funding.Funding`."""
