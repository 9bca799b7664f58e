"""What several benchmarks share: brokers, processes, workloads, targets."""
