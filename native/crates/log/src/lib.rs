//! The segment log over a Disk: append, read, roll, indexes, recovery, checkpoints.
