//! Kafka record batches as bytes: header, CRC, validation, stamping, records, compression. Pure.
