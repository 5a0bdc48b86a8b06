"""Singer tap for the Pixxel API: archive, catalogs, orders, deliveries and the rest as records."""
