//! Kafka frames, headers, primitives and zero-copy codecs of the hot APIs. Pure.
