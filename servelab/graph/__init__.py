"""Seldon's inference graphs on one machine: a SeldonDeployment read, checked, walked as by the executor, served."""
