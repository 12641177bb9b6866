"""The messages of Seldon Core's gRPC API."""
