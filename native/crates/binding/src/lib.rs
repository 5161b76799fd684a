//! The Node addon: converts and forwards. The only crate with napi.
