//! Owns the hints by which a broker sends a client to the right leader (KIP-951): the leader of a partition, and the endpoints of
//! such leaders. Both are tagged fields.

use crate::primitive::{Writer, compact_string_bytes, unsigned_varint_bytes};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderIdAndEpoch {
    pub leader_id: i32,
    pub leader_epoch: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeEndpoint<'a> {
    pub node_id: i32,
    pub host: &'a str,
    pub port: i32,
    pub rack: Option<&'a str>,
}

impl LeaderIdAndEpoch {
    #[inline]
    pub(crate) fn write_tagged(&self, tag: u32, writer: &mut Writer<'_>) {
        writer.tagged_field(tag, 4 + 4 + 1, |content| {
            content.i32(self.leader_id);
            content.i32(self.leader_epoch);
            content.no_tagged_fields();
        });
    }
}

/// Ends a response with its node endpoints, tag 0 of the top level, or with no tagged fields where the version has none.
#[inline]
pub(crate) fn write_node_endpoints(
    endpoints: &[NodeEndpoint<'_>],
    known: bool,
    writer: &mut Writer<'_>,
) {
    if !known || endpoints.is_empty() {
        return writer.no_tagged_fields();
    }
    let endpoint_bytes = |endpoint: &NodeEndpoint<'_>| {
        4 + compact_string_bytes(Some(endpoint.host)) + 4 + compact_string_bytes(endpoint.rack) + 1
    };
    let content_bytes = unsigned_varint_bytes(endpoints.len() as u32 + 1)
        + endpoints.iter().map(endpoint_bytes).sum::<usize>();
    writer.tagged_field_count(1);
    writer.tagged_field(0, content_bytes, |content| {
        content.array_count(endpoints.len());
        for endpoint in endpoints {
            content.i32(endpoint.node_id);
            content.string(endpoint.host);
            content.i32(endpoint.port);
            content.nullable_string(endpoint.rack);
            content.no_tagged_fields();
        }
    });
}
