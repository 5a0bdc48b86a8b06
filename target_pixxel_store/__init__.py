"""Singer target for Pixxel: records become stores and deliveries, nothing twice."""
