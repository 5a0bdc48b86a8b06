"""Objects of the workspace that records request: areas of interest, indices, visualizations."""
