//! The only crate with syscalls: disk, network, clock, entropy, buffer pool.
