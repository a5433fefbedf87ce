"""Pictures of what a run learned and measured, light and dark, as SVG and PNG."""
