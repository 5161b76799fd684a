//! Fuzz: what every decoder is asked to survive.
//!
//! Owns      one function per decoder; it gets bytes nobody vouches for and panics when an answer is unsound.
//! May touch the public names of the crates under test.
//! Never     asserts more than "an error or a sound answer": what the answer is, the crates' own tests say.
//! Start at  record_targets.rs. Long runs: `cargo +nightly fuzz run <target>` here; short ones: `tests/fuzz_smoke.rs` of each crate,
//!           which includes these files and feeds them seeds changed by mutation.rs.
#![forbid(unsafe_code)]

pub mod log_targets;
pub mod mutation;
pub mod record_targets;
pub mod wire_targets;
