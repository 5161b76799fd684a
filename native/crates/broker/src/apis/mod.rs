//! The APIs answered on the reactor, one file each, under the names of their codecs in `wire`.

pub mod fetch;
pub mod list_offsets;
pub mod produce;
mod produce_checks;
