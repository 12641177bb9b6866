"""Tests of shared_models: real graphs, real images, real files."""
