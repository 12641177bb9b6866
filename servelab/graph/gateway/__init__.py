"""Answers for deployments, by REST and by gRPC: which one, which predictor, the walk, the calls to its components."""
