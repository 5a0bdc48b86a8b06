"""Reading an archive of 5,000 items: tap-pixxel beside its peers, from one server, in one run."""
