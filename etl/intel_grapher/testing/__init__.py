"""The contract of a source as a test suite, for this package's own sources and for those of other packages.

A package that offers a source ships at least one reply of its own making for each endpoint, in a data folder of the
cache's layout (`intel-grapher cache add … --data samples`), and runs:

    pytest --pyargs intel_grapher.testing --contract-source acme --contract-samples samples

The names of the sources and the folder may also stand in pytest's settings, as `contract_sources` and
`contract_samples`. Without names, all installed sources are tested. The suite needs pytest and hypothesis (the extra
`intel-grapher[testing]`). Its pytest plugin is found by itself.
"""
