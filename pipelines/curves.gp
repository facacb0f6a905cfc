# curves: losses and score over the steps of a training log.
