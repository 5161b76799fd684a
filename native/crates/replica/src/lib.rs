//! What a partition leader decides: high watermark, parked requests, sessions, producer windows. Pure.
