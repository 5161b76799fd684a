//! The data plane: reactors, connections, routing, Produce, Fetch, ListOffsets, upcalls.
