//! Binding: the Node addon over the data plane.
//!
//! Owns      the classes `NativeBroker`, `NativeLog` and `NativeEmbeddedLog` and a few functions (one of them, `partitionIo`, for the pool's
//!           workers), as JavaScript sees them.
//! May touch every crate below it, and napi. The only crate that knows Node exists.
//! Never     decides anything: it converts and forwards. Never blocks on a client; only opening and closing wait for the disk.
//! Start at  native_broker.rs. Who calls it: src/native/addon.ts (the only loader), where the same surface is declared in TypeScript.
//!
//! Conventions: offsets and sizes are numbers (never above 2^53); "no limit" is Number.MAX_SAFE_INTEGER; a token of an upcalled request is
//! two numbers, high and low 32 bits; errors are Errors with a string `code`. Events are packed as `broker/src/upcall.rs` draws them; a
//! LogDirFailed event with index 65535 says that the broker itself cannot go on.

#![cfg_attr(
    test,
    allow(dead_code, reason = "napi registers nothing in a test build")
)]

mod broker_options;
mod convert;
mod crossing;
mod embedded_log;
mod external;
mod inspection;
mod native_broker;
mod native_log;
mod offline_partitions;
mod partition_io;
